/** BingX swap V2 behind {@link ExchangeAdapter}: three endpoints, and what makes an answer of each believable. */
import type { AnsweredRequest } from '../../clock/answers.js';
import type { ClockSample } from '../../clock/offset.js';
import { closedError, parseAdapterOptions, rangeOf } from '../adapter-options.js';
import type { ClientClock } from '../client-clock.js';
import { type Answer, openEnvelope } from '../envelope.js';
import type { AdapterOptions, ExchangeAdapter, FundingRate } from '../exchange-adapter.js';
import { badResponse, type RequestContext } from '../failures.js';
import { parseFundingRate, parseSymbol } from '../funding-rate.js';
import { type CreateTransport, createHttpTransport } from '../http-transport.js';
import { asObject } from '../json.js';
import { onLivingConnection } from '../living-connection.js';
import { createRedactor } from '../redact.js';
import { createSampleIntake, type TimeAnswer } from '../sample-intake.js';
import { isServerStamp, sampleOf, stampOf } from '../server-stamp.js';
import { Signing } from '../signing.js';
import { AttachedExecutor } from './attached-executor.js';
import { ANONYMOUS, OneCallExecutor } from './executor.js';
import { PremiumIndexEndpoint } from './premium-index-endpoint.js';
import { BINGX_PROFILE } from './profile.js';
import {
  AccountService,
  ApiAccount,
  BingxGetServerTimeEndpoint,
  type RequestExecutorInterface,
} from './sdk.js';

export interface BingxAdapter extends ExchangeAdapter {
  /** For an attached client: over this adapter's host and connections. */
  executorBy(clock: ClientClock, options?: { readonly rejectsRefusals?: boolean }): RequestExecutorInterface;
}

/** @throws InvalidInputError for malformed options, before anything is sent */
export function createBingxAdapter(
  options: AdapterOptions,
  createTransport: CreateTransport = createHttpTransport,
): BingxAdapter {
  const settings = parseAdapterOptions(options, BINGX_PROFILE);
  const transport = createTransport(settings);
  const redact = createRedactor(Object.values(settings.credentials));
  const account = new ApiAccount(settings.credentials.apiKey, settings.credentials.apiSecret);
  const intake = createSampleIntake(settings);
  let isClosed = false;

  async function ask(
    endpoint: string,
    call: (executor: OneCallExecutor) => Promise<unknown>,
    signing = new Signing(settings),
  ): Promise<{ context: RequestContext; answer: Answer }> {
    if (isClosed) throw closedError('BINGX');
    const context = { exchange: 'BINGX', endpoint, timeoutMs: settings.timeoutMs, redact } as const;
    const outcome = await onLivingConnection(transport, sender =>
      signing.attempt(async signed => {
        const executor = new OneCallExecutor(signed, sender);
        await call(executor);
        return executor.outcome;
      }),
    );
    return {
      context,
      answer: openEnvelope(BINGX_PROFILE, context, outcome, intake, signing.answeredBy),
    };
  }

  async function askTime(): Promise<TimeAnswer> {
    const { context, answer } = await ask('GET /openApi/swap/v2/server/time', executor =>
      executor.execute(new BingxGetServerTimeEndpoint(ANONYMOUS)),
    );
    const { reply, content } = answer;
    return { context, reply, sample: sampleOf(reply, stampOf(content.serverTime), 'time-endpoint') };
  }

  const { recvWindowMs, lateRecvWindowMs } = settings;

  return {
    exchange: 'BINGX',
    baseUrl: settings.baseUrl,
    range: rangeOf(settings),
    lateRecvWindowMs,

    openConnection() {
      transport.open(settings.baseUrl);
    },

    dropIdle: () => transport.dropIdle(),

    serverTime: (): Promise<ClockSample> => intake.measure(askTime),

    async verifyAccount(again): Promise<AnsweredRequest | undefined> {
      const signing = new Signing(settings, again === 'late' ? lateRecvWindowMs : recvWindowMs);
      const { context, answer } = await ask(
        'GET /openApi/swap/v2/user/balance',
        executor => new AccountService(executor).getPerpetualSwapAccountAssetInformation(account),
        signing,
      );
      intake.response(answer.reply, undefined);
      // That there is a balance proves the permission to read; what it is goes nowhere.
      if (!asObject(answer.content.balance) && !Array.isArray(answer.content.list))
        throw badResponse(context, answer.reply.status, 'no balance');
      return signing.answeredBy(answer.reply);
    },

    async fundingRate(symbol: string): Promise<FundingRate> {
      const wanted = parseSymbol(symbol);
      const { context, answer } = await ask('GET /openApi/swap/v2/quote/premiumIndex', executor =>
        executor.execute(new PremiumIndexEndpoint(wanted)),
      );
      intake.response(answer.reply, undefined);
      const { symbol: answered, lastFundingRate, nextFundingTime } = answer.content;
      const rate = parseFundingRate({
        symbol: wanted,
        rate: answered === wanted ? lastFundingRate : undefined,
        nextFundingTimeMs: isServerStamp(nextFundingTime) ? nextFundingTime : undefined,
      });
      if (!rate) throw badResponse(context, answer.reply.status, `no funding rate of ${wanted}`);
      return rate;
    },

    executorBy: (clock, options) => new AttachedExecutor({ settings, transport, redact, ...options }, clock),
    timestampRefused: sentAtMs => intake.timestampRefused(sentAtMs),
    badSamples: () => intake.counts(),

    close() {
      isClosed = true;
      transport.close();
    },
  };
}
