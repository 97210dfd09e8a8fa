/**
 * An exchange whose truth is known, behind a network on which anything may happen to a request: late there, late back,
 * overtaken, delivered twice, lost. In virtual time, and with the real envelopes and the real intake of samples.
 */
import type { VirtualTime } from '../../bench/clock/world/virtual-time.js';
import type { AnsweredRequest } from '../../src/clock/answers.js';
import { DEFAULT_RANGE } from '../../src/clock/request-window.js';
import { BINGX_PROFILE } from '../../src/exchanges/bingx/profile.js';
import { BYBIT_PROFILE } from '../../src/exchanges/bybit/profile.js';
import { openEnvelope } from '../../src/exchanges/envelope.js';
import type { AdapterOptions, ExchangeAdapter } from '../../src/exchanges/exchange-adapter.js';
import type { HttpFailure, HttpReply } from '../../src/exchanges/http-transport.js';
import { createSampleIntake } from '../../src/exchanges/sample-intake.js';
import { sampleOf } from '../../src/exchanges/server-stamp.js';
import type { SdkExchange } from './two-exchanges.js';

/** One request's way, milliseconds. */
export interface Way {
  readonly connectMs: number;
  readonly thereMs: number;
  readonly backMs: number;
  /** Delivered once more so much later; it is that delivery's answer which comes back. */
  readonly againMs?: number | undefined;
  readonly isLost?: boolean | undefined;
  readonly isStampless?: boolean | undefined;
}

export const QUICK_WAY: Way = { connectMs: 0, thereMs: 3, backMs: 3 };

export interface Judged {
  readonly atMs: number;
  readonly isAccepted: boolean;
}

export interface ModelExchange {
  readonly exchange: SdkExchange;
  /** Its clock minus true time. */
  skewMs: number;
  readonly edgeSkewMs: number;
  readonly judged: Judged[];
}

const TIMEOUT_MS = 30_000;
const { recvWindowMs, earlyLimitMs } = DEFAULT_RANGE;

/** @param wayOf of each request, in the order they are made */
export function modelAdapter(
  time: VirtualTime,
  model: ModelExchange,
  options: AdapterOptions,
  wayOf: () => Way,
): ExchangeAdapter {
  const { exchange } = model;
  const isBybit = exchange === 'BYBIT';
  const { now, wall = now, timestamp } = options;
  const intake = createSampleIntake(options);
  const profile = isBybit ? BYBIT_PROFILE : BINGX_PROFILE;
  const context = { exchange, endpoint: 'GET /model', timeoutMs: TIMEOUT_MS, redact: (text: string) => text };

  async function ask(isSigned: boolean) {
    const { connectMs, thereMs, backMs, againMs = 0, isLost, isStampless } = wayOf();
    const signedAtMs = now();
    const timestampMs = isSigned ? timestamp() : Number.NaN;
    if (connectMs > 0) await time.until(time.now() + connectMs);
    const [sentAtMs, sentAtWallMs] = [now(), wall()];
    await time.until(time.now() + thereMs + againMs);
    const serverMs = Math.floor(time.now() + model.skewMs);
    const isAccepted =
      !isSigned || (timestampMs >= serverMs - recvWindowMs && timestampMs < serverMs + earlyLimitMs);
    if (isSigned) model.judged.push({ atMs: time.now(), isAccepted });
    if (isLost) {
      await time.until(time.now() + TIMEOUT_MS);
      const outcome: HttpFailure = { failure: 'timeout', code: 'ETIMEDOUT' };
      return { outcome, request: undefined };
    }
    const dateMs = time.now() + model.skewMs + model.edgeSkewMs;
    await time.until(time.now() + backMs);
    const outcome: HttpReply = {
      status: 200,
      headers: { date: new Date(dateMs).toUTCString() },
      body: JSON.stringify((isBybit ? bybit : bingx)(isSigned, isAccepted, serverMs, isStampless === true)),
      sentAtMs,
      receivedAtMs: now(),
      wallRoundTripMs: wall() - sentAtWallMs,
      isCold: connectMs > 0,
    };
    const { receivedAtMs, wallRoundTripMs } = outcome;
    const times = { signedAtMs, sentAtMs, receivedAtMs, wallRoundTripMs };
    const request: AnsweredRequest | undefined = isSigned
      ? { timestampMs, ...DEFAULT_RANGE, ...times }
      : undefined;
    return { outcome, request };
  }

  const open = ({ outcome, request }: Awaited<ReturnType<typeof ask>>) =>
    openEnvelope(profile, context, outcome, intake, () => request);

  return {
    exchange,
    baseUrl: 'https://model.invalid',
    range: DEFAULT_RANGE,
    dropIdle: () => undefined,
    openConnection() {},
    serverTime: () =>
      intake.measure(async () => {
        const { content, reply } = open(await ask(false));
        const stamp = Number(isBybit ? Number(content.timeNano) / 1e6 : content.serverTime);
        return { context, reply, sample: sampleOf(reply, stamp, 'time-endpoint') };
      }),
    async verifyAccount() {
      const asked = await ask(true);
      const { stamp, reply } = open(asked);
      intake.response(reply, isBybit ? stamp : undefined);
      return asked.request;
    },
    fundingRate: () => Promise.reject(new Error('not modelled')),
    timestampRefused() {},
    badSamples: () => intake.counts(),
    close() {},
  };
}

function bybit(isSigned: boolean, isAccepted: boolean, time: number, isStampless: boolean): object {
  const stamp = isStampless ? {} : { time };
  if (!isAccepted) return { retCode: 10_002, retMsg: 'timestamp', result: {}, ...stamp };
  return { retCode: 0, retMsg: '', result: isSigned ? {} : { timeNano: `${time}000000` }, ...stamp };
}

function bingx(isSigned: boolean, isAccepted: boolean, time: number, isStampless: boolean): object {
  if (!isAccepted)
    return { code: 100_421, msg: 'timestamp mismatch', ...(isStampless ? {} : { timestamp: time }) };
  return { code: 0, msg: '', data: isSigned ? { balance: {} } : { serverTime: time } };
}
