/**
 * The envelope that both exchanges put around an answer: a code that is 0 where it says yes, a message, the content,
 * and maybe a stamp of the server's clock. They differ in the names of the fields and in what a code means. A code
 * other than 0 is a refusal whatever the HTTP status is; an answer without one is not the exchange's.
 */
import type { AnsweredRequest } from '../clock/answers.js';
import { badResponse, type RequestContext, refused, unreachable } from './failures.js';
import { type HttpFailure, type HttpReply, isFailure } from './http-transport.js';
import { asObject, parseJsonObject } from './json.js';
import type { RefusalReason } from './refusal-reason.js';
import { retryAfterMs } from './retry-after.js';
import type { SampleIntake } from './sample-intake.js';
import { stampOf } from './server-stamp.js';

export interface EnvelopeFormat {
  /** Completes "something that is not a … envelope". */
  readonly name: string;
  /** The names of the fields. */
  readonly code: string;
  readonly message: string;
  readonly content: string;
  readonly stamp: string;
  /** @param code undefined: it has none */
  readonly classify: (code: number | undefined, message: string, status: number) => RefusalReason;
}

/** One that says yes. */
export interface Answer {
  /** A list is `{ list }`. */
  readonly content: Readonly<Record<string, unknown>>;
  /** The server's clock, unlooked at; undefined where it is not told. */
  readonly stamp: unknown;
  readonly reply: HttpReply;
}

/**
 * @param intake takes a refusal's sample, before the refusal is thrown
 * @param answered the signed request, once there is an answer
 * @throws ExchangeError unless the exchange said yes
 */
export function openEnvelope(
  format: EnvelopeFormat,
  context: RequestContext,
  outcome: HttpReply | HttpFailure,
  intake: SampleIntake,
  answered?: (reply: HttpReply) => AnsweredRequest | undefined,
): Answer {
  if (isFailure(outcome)) throw unreachable(context, outcome);
  const { status } = outcome;
  const isOk = status >= 200 && status < 300;
  const envelope = parseJsonObject(outcome.body);
  const code = codeOf(envelope?.[format.code]);
  const stamp = envelope?.[format.stamp];
  if (isOk && code === undefined) {
    throw badResponse(context, status, `something that is not a ${format.name} envelope`);
  }
  if (!isOk || code !== 0) {
    const text = envelope?.[format.message];
    const message = typeof text === 'string' ? text : '';
    const reason = format.classify(code, envelope ? message : outcome.body, status);
    // Without a code it is not the exchange that speaks.
    const sample = code === undefined ? undefined : intake.refusal(outcome, stamp, reason === 'timestamp');
    throw refused(context, {
      code: code === 0 ? undefined : code,
      message,
      status,
      reason,
      retryAfterMs: retryAfterMs(outcome.headers, message, serverTimeOf(stamp)),
      sample,
      request: answered?.(outcome),
    });
  }
  const told = envelope?.[format.content];
  const content = Array.isArray(told) ? { list: told } : asObject(told);
  if (!content) throw badResponse(context, status, `an envelope without ${format.content}`);
  return { content, stamp, reply: outcome };
}

/** A whole number, be it sent as a string. */
export function codeOf(told: unknown): number | undefined {
  const code = typeof told === 'string' && /^-?\d{1,15}$/.test(told) ? Number(told) : told;
  return Number.isInteger(code) ? (code as number) : undefined;
}

function serverTimeOf(stamp: unknown): number | undefined {
  const ms = stampOf(stamp);
  return Number.isFinite(ms) ? ms : undefined;
}
