/**
 * Bybit's envelope: `{retCode, retMsg, result, retExtInfo, time}` around every answer, refusals included, so
 * that every answer is a sample of its clock (the one on the clock itself tells it better). Non-zero `retCode` is a refusal whatever the HTTP status is.
 */
import { badResponse, type RequestContext, refused, unreachable } from '../failures.js';
import { type HttpFailure, type HttpReply, isFailure } from '../http-transport.js';
import { asObject, parseJsonObject } from '../json.js';
import type { SampleIntake } from '../sample-intake.js';
import { classifyBybit } from './error-classes.js';

export interface BybitAnswer {
  readonly result: Readonly<Record<string, unknown>>;
  /** `time`, unlooked at. */
  readonly stamp: unknown;
  readonly reply: HttpReply;
}

/**
 * @param intake takes a refusal's sample, before the refusal is thrown
 * @throws ExchangeError unless Bybit said yes
 */
export function openEnvelope(
  context: RequestContext,
  outcome: HttpReply | HttpFailure,
  intake: SampleIntake,
): BybitAnswer {
  if (isFailure(outcome)) throw unreachable(context, outcome);
  const isOk = outcome.status >= 200 && outcome.status < 300;
  const envelope = parseJsonObject(outcome.body);
  const code = Number.isInteger(envelope?.retCode) ? (envelope?.retCode as number) : undefined;
  if (isOk && code === undefined) {
    throw badResponse(context, outcome.status, 'something that is not a Bybit V5 envelope');
  }
  if (!isOk || code !== 0) {
    const message = typeof envelope?.retMsg === 'string' ? envelope.retMsg : '';
    const classes = classifyBybit(code, envelope ? message : outcome.body, outcome.status);
    // Without a code it is not the exchange that speaks.
    const sample =
      code === undefined
        ? undefined
        : intake.refusal(outcome, envelope?.time, classes.authClass === 'timestamp');
    throw refused(context, {
      code: code === 0 ? undefined : code,
      message,
      status: outcome.status,
      classes,
      sample,
    });
  }
  const result = asObject(envelope?.result);
  if (!result) throw badResponse(context, outcome.status, 'an envelope without a result');
  return { result, stamp: envelope?.time, reply: outcome };
}
