/**
 * Why an exchange refuses, by the rules of its profile; what none of them fits is told by the HTTP status, or by the code
 * where that is one.
 *
 * Rules are looked up by their code, for most refusals have one, and in their order.
 */
import type { ExchangeProfile, RefusalRule } from './exchange-profile.js';
import { type RefusalReason, reasonOfStatus } from './refusal-reason.js';

const rulesOf = new WeakMap<ExchangeProfile, (code: string | undefined) => readonly RefusalRule[]>();

/**
 * @param code the exchange's own, undefined when the body carried none
 * @param message the exchange's, or the body's text when it is not JSON
 * @param status the HTTP status
 */
export function reasonOf(
  profile: ExchangeProfile,
  code: string | undefined,
  message: string,
  status: number,
): RefusalReason {
  const fits = ({ status: wanted, says, hasCode }: RefusalRule) =>
    (wanted === undefined || wanted === status) &&
    (hasCode === undefined || hasCode === (code !== undefined)) &&
    (says === undefined || says.test(message));
  const rule = rulesFor(profile)(code).find(fits);
  if (rule) return rule.reason;
  // A gateway's answer in the exchange's envelope: `{"code":429}`, sent with HTTP 200.
  if (status < 400 && code !== undefined && HTTP_ERROR.test(code)) {
    return reasonOf(profile, code, message, Number(code));
  }
  return reasonOfStatus(status, message);
}

const HTTP_ERROR = /^[45]\d\d$/;

function rulesFor(profile: ExchangeProfile): (code: string | undefined) => readonly RefusalRule[] {
  const known = rulesOf.get(profile);
  if (known) return known;
  const uncoded = profile.refusals.filter(rule => !rule.codes);
  const byCode = new Map<string, RefusalRule[]>();
  for (const code of profile.refusals.flatMap(rule => rule.codes ?? [])) {
    byCode.set(
      code,
      profile.refusals.filter(rule => !rule.codes || rule.codes.includes(code)),
    );
  }
  const made = (code: string | undefined) => (code === undefined ? undefined : byCode.get(code)) ?? uncoded;
  rulesOf.set(profile, made);
  return made;
}
