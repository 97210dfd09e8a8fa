/**
 * Any exchange that ccxt can sign for, behind {@link ExchangeAdapter}, by its profile.
 *
 * ccxt builds and signs the verification (`sign`, which sends nothing and waits for nothing); it is sent by us, so that it is
 * timed and judged as every other adapter's is, goes over connections that are watched, and carries the timestamp of the
 * clock in use: `nonce()` and `milliseconds()` of the instance that signs return just that. The time endpoint needs no
 * signature and so no ccxt.
 *
 * ccxt's hosts are not used: what it signs is the path, which is sent to the connector's own host.
 */
import { InvalidInputError } from '../base/errors.js';
import type { AnsweredRequest } from '../clock/answers.js';
import { type AdapterSettings, closedError, parseAdapterOptions, rangeOf } from './adapter-options.js';
import type { CcxtClass, CcxtExchange } from './attached-ccxt.js';
import { type Answer, openEnvelope } from './envelope.js';
import type { AdapterOptions, ExchangeAdapter } from './exchange-adapter.js';
import type { ExchangeProfile, VerificationCall } from './exchange-profile.js';
import type { RequestContext } from './failures.js';
import { FirstOffered } from './first-offered.js';
import {
  type CreateTransport,
  createHttpTransport,
  type HttpFailure,
  type HttpReply,
  type HttpRequest,
} from './http-transport.js';
import { asObject } from './json.js';
import { onLivingConnection, type Sender } from './living-connection.js';
import { createRedactor } from './redact.js';
import { createSampleIntake, type TimeAnswer } from './sample-intake.js';
import { sampleOf } from './server-stamp.js';
import { Signing } from './signing.js';
import { readStamp } from './stamp-place.js';

/** @throws InvalidInputError for malformed options, before anything is sent */
export function createCcxtAdapter(
  profile: ExchangeProfile,
  Exchange: CcxtClass,
  options: AdapterOptions,
  createTransport: CreateTransport = createHttpTransport,
): ExchangeAdapter {
  const settings = parseAdapterOptions(options, profile);
  checkCredentials(profile, Exchange, settings);
  const transport = createTransport(settings);
  const redact = createRedactor(Object.values(settings.credentials).filter(each => each !== undefined));
  const intake = createSampleIntake(settings);
  const exchange = profile.name;
  const verification = new FirstOffered(profile.ccxt.verification);
  let isClosed = false;

  async function ask(
    endpoint: string,
    send: (settings: AdapterSettings, sender: Sender) => Promise<HttpReply | HttpFailure>,
    signing = new Signing(settings),
  ): Promise<{ context: RequestContext; answer: Answer }> {
    if (isClosed) throw closedError(exchange);
    const context = { exchange, endpoint, timeoutMs: settings.timeoutMs, redact };
    const outcome = await onLivingConnection(transport, sender =>
      signing.attempt(signed => send(signed, sender)),
    );
    return { context, answer: openEnvelope(profile, context, outcome, intake, signing.answeredBy) };
  }

  async function askTime(): Promise<TimeAnswer> {
    const { path, stamp: place } = profile.time;
    const { context, answer } = await ask(`GET ${path}`, (_, sender) =>
      sender.send({ method: 'GET', url: settings.baseUrl + path, headers: headersOf({}) }),
    );
    const { reply, body } = answer;
    const stamp = readStamp(place, body, reply.headers);
    return {
      context,
      reply,
      sample: sampleOf(reply, stamp?.ms ?? Number.NaN, 'time-endpoint', stamp?.resolutionMs),
    };
  }

  async function verify(by: VerificationCall, recvWindowMs: number): Promise<AnsweredRequest | undefined> {
    const signing = new Signing(settings, recvWindowMs);
    const { answer } = await ask(by.endpoint, (signed, sender) => sendSigned(by, signed, sender), signing);
    // What the answer says of the account goes nowhere.
    intake.response(answer.reply, answer.stamp);
    return signing.answeredBy(answer.reply);
  }

  function sendSigned(
    { api, path, params }: VerificationCall,
    signed: AdapterSettings,
    sender: Sender,
  ): Promise<HttpReply | HttpFailure> {
    const { credentials, recvWindowMs } = signed;
    const signer = signerOf(Exchange, credentials);
    // What makes a timestamp may throw, and that error is the caller's to see.
    const timestampMs = signed.timestamp();
    signer.nonce = () => timestampMs;
    signer.milliseconds = () => timestampMs;
    const field = profile.request.window;
    if (signer.options) signer.options.recvWindow = recvWindowMs;
    const window = field?.in === 'query' ? { [field.name]: recvWindowMs } : {};
    let request: { readonly url: string; readonly headers?: unknown };
    try {
      request = signer.sign(path, api, 'GET', { ...params, ...window });
    } catch (error) {
      const problem = error instanceof Error ? error.message : 'ccxt gave no reason';
      return Promise.resolve({ failure: 'not-sent', code: 'NOT_SENT', problem });
    }
    const { pathname, search } = new URL(request.url);
    return sender.send({
      method: 'GET',
      url: `${settings.baseUrl}${pathname}${search}`,
      headers: headersOf(request.headers),
    });
  }

  function headersOf(own: unknown): HttpRequest['headers'] {
    const all = { ...profile.headers?.[settings.environment], ...asObject(own) };
    const told = Object.entries(all).filter(([, value]) => value !== undefined && value !== null);
    return Object.fromEntries(told.map(([name, value]) => [name, String(value)]));
  }

  return {
    exchange,
    baseUrl: settings.baseUrl,
    range: rangeOf(settings),
    lateRecvWindowMs: settings.lateRecvWindowMs,
    openConnection: () => transport.open(settings.baseUrl),
    dropIdle: () => transport.dropIdle(),
    serverTime: () => intake.measure(askTime),

    async verifyAccount(again) {
      const recvWindowMs = again === 'late' ? settings.lateRecvWindowMs : settings.recvWindowMs;
      return verification.run(call => verify(call, recvWindowMs));
    },

    async fundingRate() {
      throw new InvalidInputError(
        `fundingRate() is there for BYBIT and BINGX: of ${exchange}, ask fetchFundingRate() of an attached exchange of ccxt's`,
      );
    },

    timestampRefused: sentAtMs => intake.timestampRefused(sentAtMs),
    badSamples: () => intake.counts(),
    close() {
      isClosed = true;
      transport.close();
    },
  };
}

interface Signer extends CcxtExchange {
  options?: Record<string, unknown>;
  readonly requiredCredentials?: Readonly<Record<string, boolean>>;
}

const signerOf = (
  Exchange: CcxtClass,
  { apiKey, apiSecret, passphrase }: AdapterOptions['credentials'],
): Signer => new Exchange({ apiKey, secret: apiSecret, password: passphrase, enableRateLimit: false });

/** @throws InvalidInputError for a class of another exchange, and for a passphrase that is missing */
function checkCredentials(
  { name, ccxt }: ExchangeProfile,
  Exchange: CcxtClass,
  { credentials }: AdapterSettings,
): void {
  const { id, requiredCredentials = {} } = signerOf(Exchange, credentials);
  if (id !== ccxt.id) {
    throw new InvalidInputError(`${name} needs ccxt's class ${ccxt.id}, got that of ${String(id)}`);
  }
  if (requiredCredentials.password && credentials.passphrase === undefined) {
    throw new InvalidInputError(
      `credentials.passphrase is missing, which ${name} wants with each request: the one that was chosen when the key was made`,
    );
  }
}
