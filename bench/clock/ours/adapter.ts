/**
 * The exchange adapter over the simulated network: what the real ones do between the SDK and the connector, with
 * bodies as the exchanges write them, opened by the real envelopes and sampled by the real intake.
 *
 * A request is signed when it is asked for; opening a connection and the way up come after that. Send and receive
 * times are taken where the real transport takes them: when the connection is ready, and when the answer is in. An
 * answer that reaches a frozen host is read when it thaws.
 */
import type { AnsweredRequest } from '../../../src/clock/answers.js';
import { DEFAULT_RANGE } from '../../../src/clock/request-window.js';
import { BINGX_PROFILE } from '../../../src/exchanges/bingx/profile.js';
import { BYBIT_PROFILE } from '../../../src/exchanges/bybit/profile.js';
import { openEnvelope } from '../../../src/exchanges/envelope.js';
import type {
  AdapterOptions,
  ExchangeAdapter,
  FundingRate,
} from '../../../src/exchanges/exchange-adapter.js';
import type { HttpReply } from '../../../src/exchanges/http-transport.js';
import { createSampleIntake } from '../../../src/exchanges/sample-intake.js';
import {
  NANO_STAMP_RESOLUTION_MS,
  sampleOf,
  stampFromNanoseconds,
} from '../../../src/exchanges/server-stamp.js';
import type { SimulatedExchange } from '../world/exchange.js';
import type { Host } from '../world/host.js';
import type { VirtualTime } from '../world/virtual-time.js';
import type { Weather } from '../world/weather.js';

/** A kept-alive connection is closed by the server after so long without a request. */
export const KEEP_ALIVE_MS = 60_000;

/** What happened to one request, in true time. */
export interface Sent {
  readonly kind: 'time' | 'signed' | 'public';
  readonly askedAtMs: number;
  readonly sentAtMs: number;
  readonly stampedAtMs: number;
  readonly receivedAtMs: number;
  readonly isRefused: boolean;
  readonly serverTimeMs: number;
  readonly resolutionMs: number;
}

export interface AdapterWatch {
  /** Just after the timestamp was made. */
  signed(): void;
  answered(sent: Sent): void;
}

/** The init under way, which the connector knows nothing of. */
export interface Line {
  readonly weather: Weather;
  readonly watch: AdapterWatch;
  requests: number;
}

export interface AdapterPlace {
  readonly time: VirtualTime;
  readonly host: Host;
  readonly exchange: SimulatedExchange;
  /** Changes with every init. */
  line: Line | undefined;
  /** True time until which the connection is open. */
  warmUntilMs: number;
}

interface Asked {
  readonly reply: HttpReply;
  /** undefined where nothing was signed. */
  readonly request: AnsweredRequest | undefined;
}

const CONTEXT = { timeoutMs: 10_000, redact: (text: string) => text };

export function createSimulatedAdapter(place: AdapterPlace, options: AdapterOptions): ExchangeAdapter {
  const { time, host, exchange } = place;
  const { now, timestamp } = options;
  const wall = options.wall ?? now;
  const intake = createSampleIntake(options);
  const isBybit = exchange.exchange === 'BYBIT';
  const context = { ...CONTEXT, exchange: exchange.exchange, endpoint: 'GET /simulated' };

  async function ask(kind: Sent['kind']): Promise<Asked> {
    const { line } = place;
    if (!line) throw new Error('a request without an init');
    const askedAtMs = time.now();
    let timestampMs = Number.NaN;
    const signedAtMs = now();
    if (kind === 'signed') {
      timestampMs = timestamp();
      line.watch.signed();
    }
    const isCold = askedAtMs >= place.warmUntilMs;
    const { setUpMs, upMs, processingMs, downMs } = line.weather.trip(line.requests++);
    if (isCold) await time.until(host.awakeAt(askedAtMs + setUpMs));
    const sentAtMs = time.now();
    const [sentAt, sentAtWall] = [now(), wall()];
    const arrivedAtMs = sentAtMs + upMs;
    const stampedAtMs = arrivedAtMs + processingMs;
    const isRefused = kind === 'signed' && !exchange.accepts(timestampMs, arrivedAtMs);
    await time.until(host.awakeAt(stampedAtMs + downMs));
    place.warmUntilMs = time.now() + KEEP_ALIVE_MS;
    const says =
      kind === 'time' || isRefused ? exchange.stamp(stampedAtMs) : exchange.stampOfSuccess(stampedAtMs);
    const receivedAtMs = time.now();
    line.watch.answered({ kind, askedAtMs, sentAtMs, stampedAtMs, receivedAtMs, isRefused, ...says });
    const shownMs = exchange.clock.read(stampedAtMs);
    const reply: HttpReply = {
      status: 200,
      headers: { date: new Date(shownMs + exchange.edgeAheadMs(stampedAtMs)).toUTCString() },
      body: (isBybit ? bybitBody : bingxBody)(kind, isRefused, shownMs + exchange.toldAheadMs(stampedAtMs)),
      sentAtMs: sentAt,
      receivedAtMs: now(),
      wallRoundTripMs: wall() - sentAtWall,
      isCold,
    };
    if (kind !== 'signed') return { reply, request: undefined };
    const { receivedAtMs: receivedAt, wallRoundTripMs } = reply;
    const times = { signedAtMs, sentAtMs: sentAt, receivedAtMs: receivedAt, wallRoundTripMs };
    return { reply, request: { timestampMs, ...DEFAULT_RANGE, ...times } };
  }

  const profile = isBybit ? BYBIT_PROFILE : BINGX_PROFILE;
  const open = ({ reply, request }: Asked) => openEnvelope(profile, context, reply, intake, () => request);

  return {
    exchange: exchange.exchange,
    baseUrl: 'https://model.invalid',
    range: DEFAULT_RANGE,
    dropIdle: () => undefined,

    openConnection() {},

    serverTime: () =>
      intake.measure(async () => {
        const asked = await ask('time');
        const { reply } = asked;
        const { content } = open(asked);
        if (isBybit) {
          const stampMs = stampFromNanoseconds(content.timeNano) ?? Number.NaN;
          return {
            context,
            reply,
            sample: sampleOf(reply, stampMs, 'time-endpoint', NANO_STAMP_RESOLUTION_MS),
          };
        }
        return { context, reply, sample: sampleOf(reply, Number(content.serverTime), 'time-endpoint') };
      }),

    async verifyAccount() {
      const asked = await ask('signed');
      const { stamp } = open(asked);
      intake.response(asked.reply, isBybit ? stamp : undefined);
      return asked.request;
    },

    async fundingRate(symbol): Promise<FundingRate> {
      const asked = await ask('public');
      const { stamp } = open(asked);
      intake.response(asked.reply, isBybit ? stamp : undefined);
      return { symbol, rate: 0, nextFundingTimeMs: 0 };
    },

    timestampRefused() {},

    badSamples: () => intake.counts(),
    close() {},
  };
}

const bybitBody = (kind: Sent['kind'], isRefused: boolean, serverMs: number): string => {
  const time = Math.floor(serverMs);
  if (isRefused) {
    return `{"retCode":10002,"retMsg":"invalid request, please check your server timestamp or recv_window param.","result":{},"retExtInfo":{},"time":${time}}`;
  }
  const nano = `${Math.floor(serverMs * 1000)}000`;
  const result = kind === 'time' ? `{"timeSecond":"${Math.floor(time / 1000)}","timeNano":"${nano}"}` : '{}';
  return `{"retCode":0,"retMsg":"OK","result":${result},"retExtInfo":{},"time":${time}}`;
};

const bingxBody = (kind: Sent['kind'], isRefused: boolean, serverMs: number): string => {
  const time = Math.floor(serverMs);
  if (isRefused) {
    return `{"code":100421,"msg":"Null timestamp or timestamp mismatch, please check the server time","timestamp":${time}}`;
  }
  return `{"code":0,"msg":"","data":${kind === 'time' ? `{"serverTime":${time}}` : '{"balance":{}}'}}`;
};
