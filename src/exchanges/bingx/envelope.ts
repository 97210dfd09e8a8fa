/**
 * BingX's envelope: `{code, msg, data}`. A refusal adds `timestamp`, its server's clock, and so is a sample;
 * a success carries no clock, unless the clock is what was asked for.
 */
import type { ClockSample } from '../../clock/offset.js';
import { badResponse, type RequestContext, refused, unreachable } from '../failures.js';
import { type HttpFailure, type HttpReply, isFailure } from '../http-transport.js';
import { asObject, parseJsonObject } from '../json.js';
import { sampleOf } from '../server-stamp.js';
import { classifyBingx } from './error-classes.js';

export interface BingxAnswer {
  readonly data: Readonly<Record<string, unknown>>;
  readonly reply: HttpReply;
}

/**
 * @param onSample is told of a refusal's sample before the refusal is thrown
 * @throws ExchangeError unless BingX said yes
 */
export function openEnvelope(
  context: RequestContext,
  outcome: HttpReply | HttpFailure,
  onSample: ((sample: ClockSample) => void) | undefined,
): BingxAnswer {
  if (isFailure(outcome)) throw unreachable(context, outcome);
  const isOk = outcome.status >= 200 && outcome.status < 300;
  const envelope = parseJsonObject(outcome.body);
  const sample = sampleOf(outcome, envelope?.timestamp);
  if (sample) onSample?.(sample);

  const code = Number.isInteger(envelope?.code) ? (envelope?.code as number) : undefined;
  if (isOk && code === undefined) {
    throw badResponse(context, outcome.status, 'something that is not a BingX envelope');
  }
  if (!isOk || code !== 0) {
    const message = typeof envelope?.msg === 'string' ? envelope.msg : '';
    throw refused(context, {
      code: code === 0 ? undefined : code,
      message,
      status: outcome.status,
      classes: classifyBingx(code, envelope ? message : outcome.body, outcome.status),
      sample,
    });
  }
  const data = asObject(envelope?.data);
  if (!data) throw badResponse(context, outcome.status, 'an envelope without data');
  return { data, reply: outcome };
}
