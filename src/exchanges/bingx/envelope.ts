/**
 * BingX's envelope: `{code, msg, data}`. A refusal adds `timestamp`, its server's clock, and so is a sample; a
 * success carries no clock but its `Date` header, unless the clock is what was asked for.
 */
import { badResponse, type RequestContext, refused, unreachable } from '../failures.js';
import { type HttpFailure, type HttpReply, isFailure } from '../http-transport.js';
import { asObject, parseJsonObject } from '../json.js';
import type { SampleIntake } from '../sample-intake.js';
import { classifyBingx } from './error-classes.js';

export interface BingxAnswer {
  readonly data: Readonly<Record<string, unknown>>;
  readonly reply: HttpReply;
}

/**
 * @param intake takes a refusal's sample, before the refusal is thrown
 * @throws ExchangeError unless BingX said yes
 */
export function openEnvelope(
  context: RequestContext,
  outcome: HttpReply | HttpFailure,
  intake: SampleIntake,
): BingxAnswer {
  if (isFailure(outcome)) throw unreachable(context, outcome);
  const isOk = outcome.status >= 200 && outcome.status < 300;
  const envelope = parseJsonObject(outcome.body);
  const code = Number.isInteger(envelope?.code) ? (envelope?.code as number) : undefined;
  if (isOk && code === undefined) {
    throw badResponse(context, outcome.status, 'something that is not a BingX envelope');
  }
  if (!isOk || code !== 0) {
    const message = typeof envelope?.msg === 'string' ? envelope.msg : '';
    const classes = classifyBingx(code, envelope ? message : outcome.body, outcome.status);
    // Without a code it is not the exchange that speaks.
    const sample =
      code === undefined
        ? undefined
        : intake.refusal(outcome, envelope?.timestamp, classes.authClass === 'timestamp');
    throw refused(context, {
      code: code === 0 ? undefined : code,
      message,
      status: outcome.status,
      classes,
      sample,
    });
  }
  const data = asObject(envelope?.data);
  if (!data) throw badResponse(context, outcome.status, 'an envelope without data');
  return { data, reply: outcome };
}
