/** Bybit V5 behind {@link ExchangeAdapter}: three endpoints, and what makes an answer of each believable. */
import type { AnsweredRequest } from '../../clock/answers.js';
import type { ClockSample } from '../../clock/offset.js';
import { problemOf, SERVERS_APART_MS } from '../../clock/sample-check.js';
import { closedError, parseAdapterOptions, rangeOf } from '../adapter-options.js';
import { type Answer, openEnvelope } from '../envelope.js';
import type { AdapterOptions, ExchangeAdapter, FundingRate } from '../exchange-adapter.js';
import { badResponse, type RequestContext } from '../failures.js';
import { FirstOffered } from '../first-offered.js';
import { parseFundingRate, parseSymbol } from '../funding-rate.js';
import { type CreateTransport, createHttpTransport } from '../http-transport.js';
import { asObject } from '../json.js';
import { onLivingConnection } from '../living-connection.js';
import { createRedactor } from '../redact.js';
import { createSampleIntake, type TimeAnswer } from '../sample-intake.js';
import {
  NANO_STAMP_RESOLUTION_MS,
  sampleOf,
  stampFromDigits,
  stampFromNanoseconds,
} from '../server-stamp.js';
import { Signing } from '../signing.js';
import { callBybit } from './call.js';
import { BYBIT_PROFILE } from './profile.js';
import type { RestClientV5 } from './sdk.js';

/**
 * Either works for every kind of account, and tells of the key or of the account's mode only: no figure of an account
 * passes through here. Demo trading has no key to tell of (10032).
 */
const VERIFICATIONS = [
  { endpoint: 'GET /v5/user/query-api', call: (client: RestClientV5) => client.getQueryApiKey() },
  { endpoint: 'GET /v5/account/info', call: (client: RestClientV5) => client.getAccountInfo() },
] as const;

/** @throws InvalidInputError for malformed options, before anything is sent */
export function createBybitAdapter(
  options: AdapterOptions,
  createTransport: CreateTransport = createHttpTransport,
): ExchangeAdapter {
  const settings = parseAdapterOptions(options, BYBIT_PROFILE);
  const transport = createTransport(settings);
  const redact = createRedactor(Object.values(settings.credentials));
  const intake = createSampleIntake(settings);
  const verification = new FirstOffered(VERIFICATIONS);
  let isClosed = false;

  async function ask(
    endpoint: string,
    call: (client: RestClientV5) => Promise<unknown>,
    signing = new Signing(settings),
  ): Promise<{ context: RequestContext; answer: Answer }> {
    if (isClosed) throw closedError('BYBIT');
    const context = { exchange: 'BYBIT', endpoint, timeoutMs: settings.timeoutMs, redact } as const;
    const outcome = await onLivingConnection(transport, sender =>
      signing.attempt(signed => callBybit(signed, sender, call)),
    );
    return { context, answer: openEnvelope(BYBIT_PROFILE, context, outcome, intake, signing.answeredBy) };
  }

  async function askTime(): Promise<TimeAnswer> {
    const { context, answer } = await ask('GET /v5/market/time', client => client.getServerTime());
    const { reply, content, stamp } = answer;
    const stampMs = stampFromNanoseconds(content.timeNano) ?? Number.NaN;
    const sample = sampleOf(reply, stampMs, 'time-endpoint', NANO_STAMP_RESOLUTION_MS);
    // Both stamps must be believable: they are one clock's, and a doubtful answer is not measured with.
    const envelopeMs = stamp?.ms ?? Number.NaN;
    const isOneMoment =
      Math.abs(envelopeMs - stampMs) <= reply.receivedAtMs - reply.sentAtMs + SERVERS_APART_MS;
    const problem =
      problemOf(sampleOf(reply, envelopeMs, 'time-endpoint')) ??
      (isOneMoment || Number.isNaN(stampMs) ? undefined : 'cached');
    return { context, reply, sample, problem };
  }

  const { recvWindowMs, lateRecvWindowMs } = settings;

  return {
    exchange: 'BYBIT',
    baseUrl: settings.baseUrl,
    range: rangeOf(settings),
    lateRecvWindowMs,

    openConnection() {
      transport.open(settings.baseUrl);
    },

    dropIdle: () => transport.dropIdle(),

    serverTime: (): Promise<ClockSample> => intake.measure(askTime),

    verifyAccount(again): Promise<AnsweredRequest | undefined> {
      return verification.run(async ({ endpoint, call }) => {
        const signing = new Signing(settings, again === 'late' ? lateRecvWindowMs : recvWindowMs);
        const { answer } = await ask(endpoint, call, signing);
        intake.response(answer.reply, answer.stamp);
        return signing.answeredBy(answer.reply);
      });
    },

    async fundingRate(symbol: string): Promise<FundingRate> {
      const wanted = parseSymbol(symbol);
      const { context, answer } = await ask('GET /v5/market/tickers', client =>
        client.getTickers({ category: 'linear', symbol: wanted }),
      );
      intake.response(answer.reply, answer.stamp);
      const list = Array.isArray(answer.content.list) ? answer.content.list : [];
      const ticker = list.map(asObject).find(entry => entry?.symbol === wanted);
      const rate = parseFundingRate({
        symbol: wanted,
        rate: ticker?.fundingRate,
        nextFundingTimeMs: stampFromDigits(ticker?.nextFundingTime),
        intervalHours: ticker?.fundingIntervalHour,
      });
      if (!rate) throw badResponse(context, answer.reply.status, `no funding rate of ${wanted}`);
      return rate;
    },

    timestampRefused: sentAtMs => intake.timestampRefused(sentAtMs),
    badSamples: () => intake.counts(),

    close() {
      isClosed = true;
      transport.close();
    },
  };
}
