/**
 * Bybit's envelope: `{retCode, retMsg, result, retExtInfo, time}` around every answer, refusals included, so
 * that every answer is a sample of its clock. Non-zero `retCode` is a refusal whatever the HTTP status is.
 */
import type { ClockSample } from '../../clock/offset.js';
import { badResponse, type RequestContext, refused, unreachable } from '../failures.js';
import { type HttpFailure, type HttpReply, isFailure } from '../http-transport.js';
import { asObject, parseJsonObject } from '../json.js';
import { sampleOf } from '../server-stamp.js';
import { classifyBybit } from './error-classes.js';

export interface BybitAnswer {
  readonly result: Readonly<Record<string, unknown>>;
  /** From `time`; undefined when it is missing or cannot be believed. */
  readonly sample: ClockSample | undefined;
  readonly reply: HttpReply;
}

/**
 * @param onSample is told of the sample before a refusal is thrown
 * @throws ExchangeError unless Bybit said yes
 */
export function openEnvelope(
  context: RequestContext,
  outcome: HttpReply | HttpFailure,
  onSample: ((sample: ClockSample) => void) | undefined,
): BybitAnswer {
  if (isFailure(outcome)) throw unreachable(context, outcome);
  const isOk = outcome.status >= 200 && outcome.status < 300;
  const envelope = parseJsonObject(outcome.body);
  const sample = sampleOf(outcome, envelope?.time);
  if (sample) onSample?.(sample);

  const code = Number.isInteger(envelope?.retCode) ? (envelope?.retCode as number) : undefined;
  if (isOk && code === undefined) {
    throw badResponse(context, outcome.status, 'something that is not a Bybit V5 envelope');
  }
  if (!isOk || code !== 0) {
    const message = typeof envelope?.retMsg === 'string' ? envelope.retMsg : '';
    throw refused(context, {
      code: code === 0 ? undefined : code,
      message,
      status: outcome.status,
      classes: classifyBybit(code, envelope ? message : outcome.body, outcome.status),
      sample,
    });
  }
  const result = asObject(envelope?.result);
  if (!result) throw badResponse(context, outcome.status, 'an envelope without a result');
  return { result, sample, reply: outcome };
}
