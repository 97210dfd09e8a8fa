/**
 * What exchanges put around an answer: a code, a message, the content, and maybe a stamp of the server's clock. They
 * differ in the names of the fields, in which code says yes, and in what the others mean: see the profile. A code that
 * says no is a refusal whatever the HTTP status is; an answer without one is not the exchange's, unless that exchange's
 * successes have none.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { AnsweredRequest } from '../clock/answers.js';
import type { ExchangeProfile } from './exchange-profile.js';
import { badResponse, type RequestContext, refused, unreachable } from './failures.js';
import { type HttpFailure, type HttpReply, isFailure } from './http-transport.js';
import { asObject, parseJson } from './json.js';
import { reasonOf } from './refusal-rules.js';
import { retryAfterMs } from './retry-after.js';
import type { SampleIntake } from './sample-intake.js';
import { readStamp, type ToldStamp } from './stamp-place.js';

/** A body, parsed, as the exchange's profile reads it. */
export interface ReadAnswer {
  /** The exchange's own; undefined where there is none. */
  readonly code: string | undefined;
  readonly message: string;
  /** By its code alone; the HTTP status is not looked at. */
  readonly saysYes: boolean;
  /** It is the exchange that speaks. */
  readonly isEnvelope: boolean;
  readonly stamp: ToldStamp | undefined;
}

/** One that says yes. */
export interface Answer {
  /** A list is `{ list }`, a bare value `{ value }`. */
  readonly content: Readonly<Record<string, unknown>>;
  /** The server's clock, unlooked at; undefined where it is not told. */
  readonly stamp: ToldStamp | undefined;
  readonly reply: HttpReply;
  /** Parsed. */
  readonly body: unknown;
}

/** @param body parsed; undefined for what is no JSON */
export function readAnswer(
  { answers }: ExchangeProfile,
  body: unknown,
  headers: IncomingHttpHeaders,
): ReadAnswer {
  const envelope = asObject(body);
  const code = codeOf(envelope?.[answers.code]);
  const isBare = answers.yes.length === 0 && typeof body === 'object' && body !== null;
  const text = envelope?.[answers.message];
  return {
    code,
    message: typeof text === 'string' ? text : '',
    saysYes: code === undefined ? isBare : answers.yes.includes(code),
    isEnvelope: code !== undefined || isBare,
    stamp: readStamp(answers.stamp, body, headers),
  };
}

/**
 * @param intake takes a refusal's sample, before the refusal is thrown
 * @param answered the signed request, once there is an answer
 * @throws ExchangeError unless the exchange said yes
 */
export function openEnvelope(
  profile: ExchangeProfile,
  context: RequestContext,
  outcome: HttpReply | HttpFailure,
  intake: SampleIntake,
  answered?: (reply: HttpReply) => AnsweredRequest | undefined,
): Answer {
  if (isFailure(outcome)) throw unreachable(context, outcome);
  const { answers } = profile;
  const { status, headers } = outcome;
  const isOk = status >= 200 && status < 300;
  const body = tryParse(outcome.body);
  const { code, message, saysYes, isEnvelope, stamp } = readAnswer(profile, body, headers);
  if (isOk && !isEnvelope) {
    throw badResponse(context, status, `something that is not a ${answers.name} envelope`);
  }
  if (!isOk || !saysYes) {
    const words = asObject(body) ? message : outcome.body;
    const reason = reasonOf(profile, code, words, status);
    // Without a code it is not the exchange that speaks.
    const sample = code === undefined ? undefined : intake.refusal(outcome, stamp, reason === 'timestamp');
    throw refused(context, {
      code: saysYes ? undefined : code,
      message,
      status,
      reason,
      retryAfterMs: retryAfterMs(profile, reason, headers, message, stamp?.ms),
      sample,
      request: answered?.(outcome),
    });
  }
  const told = answers.content === undefined ? body : asObject(body)?.[answers.content];
  if (told === undefined || told === null) {
    throw badResponse(context, status, `an envelope without ${answers.content}`);
  }
  const content = Array.isArray(told) ? { list: told } : (asObject(told) ?? { value: told });
  return { content, stamp, reply: outcome, body };
}

/** A whole number or a word, be it sent as either. */
export function codeOf(told: unknown): string | undefined {
  if (Number.isInteger(told)) return String(told);
  return typeof told === 'string' && /^-?[\w.:-]{1,60}$/.test(told) ? told : undefined;
}

function tryParse(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    // Whoever asked says what was wrong with the answer; the parser's message would quote a piece of it.
    return undefined;
  }
}
