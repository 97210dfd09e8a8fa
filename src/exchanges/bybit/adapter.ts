/** Bybit V5 behind {@link ExchangeAdapter}: three endpoints, and what makes an answer of each believable. */
import type { ClockSample } from '../../clock/offset.js';
import { closedError, type ExchangeDefaults, parseAdapterOptions } from '../adapter-options.js';
import type { AdapterOptions, ExchangeAdapter, FundingRate } from '../exchange-adapter.js';
import { badResponse, type RequestContext } from '../failures.js';
import { parseFundingRate, parseSymbol } from '../funding-rate.js';
import { type CreateTransport, createHttpTransport } from '../http-transport.js';
import { asObject } from '../json.js';
import { createRedactor } from '../redact.js';
import { stampFromDigits, stampFromNanoseconds } from '../server-stamp.js';
import { callBybit } from './call.js';
import { type BybitAnswer, openEnvelope } from './envelope.js';
import type { RestClientV5 } from './sdk.js';

const DEFAULTS: ExchangeDefaults = {
  exchange: 'BYBIT',
  baseUrls: { MAINNET: 'https://api.bybit.com', TESTNET: 'https://api-testnet.bybit.com' },
  maxRecvWindowMs: 60_000,
};

/** @throws InvalidInputError for malformed options, before anything is sent */
export function createBybitAdapter(
  options: AdapterOptions,
  createTransport: CreateTransport = createHttpTransport,
): ExchangeAdapter {
  const settings = parseAdapterOptions(options, DEFAULTS);
  const transport = createTransport(settings);
  const redact = createRedactor(Object.values(settings.credentials));
  let isClosed = false;

  async function ask(
    endpoint: string,
    call: (client: RestClientV5) => Promise<unknown>,
  ): Promise<{ context: RequestContext; answer: BybitAnswer }> {
    if (isClosed) throw closedError('BYBIT');
    const context = { exchange: 'BYBIT', endpoint, timeoutMs: settings.timeoutMs, redact } as const;
    const outcome = await callBybit(settings, transport, call);
    return { context, answer: openEnvelope(context, outcome, settings.onSample) };
  }

  return {
    exchange: 'BYBIT',

    openConnection() {
      transport.open(settings.baseUrl);
    },

    async serverTime(): Promise<ClockSample> {
      const { context, answer } = await ask('GET /v5/market/time', client => client.getServerTime());
      const serverTimeMs = stampFromNanoseconds(answer.result.timeNano);
      // Both stamps must be believable: they are one clock's, and a doubtful answer is not measured with.
      if (serverTimeMs === undefined || answer.sample === undefined) {
        throw badResponse(context, answer.reply.status, 'no believable server time');
      }
      return { ...answer.sample, serverTimeMs };
    },

    async verifyAccount(): Promise<void> {
      // Works for every kind of account, and tells of the key only: no account figure passes through here.
      await ask('GET /v5/user/query-api', client => client.getQueryApiKey());
    },

    async fundingRate(symbol: string): Promise<FundingRate> {
      const wanted = parseSymbol(symbol);
      const { context, answer } = await ask('GET /v5/market/tickers', client =>
        client.getTickers({ category: 'linear', symbol: wanted }),
      );
      const list = Array.isArray(answer.result.list) ? answer.result.list : [];
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

    close() {
      isClosed = true;
      transport.close();
    },
  };
}
