/** A profile that a user registers, checked before anything goes by it. */
import { InvalidInputError } from '../base/errors.js';
import { ENVIRONMENTS, type Environment, isExchangeName, parseExchange } from '../events/connector.js';
import { parseBaseUrl } from './base-url.js';
import type { ExchangeProfile, RefusalRule, StampPlace, WindowRule } from './exchange-profile.js';
import { REFUSAL_REASONS } from './refusal-reason.js';

const FORMATS: ReadonlySet<string> = new Set(['ms', 'ms-digits', 'us-digits', 'ns-digits', 'seconds', 'iso']);
/** A day: no exchange accepts a request that old. */
const MAX_WINDOW_MS = 86_400_000;

/** @throws InvalidInputError that names the first field that is not as it must be */
export function checkProfile(profile: ExchangeProfile): void {
  const name = isExchangeName(profile?.name) ? profile.name : parseExchange(profile?.name);
  const fault = faultOf(profile);
  if (fault) throw new InvalidInputError(`the profile of ${name} cannot be registered: ${fault}`);
  for (const hosts of [profile.hosts, ...Object.values(profile.regions ?? {})]) {
    for (const host of Object.values(hosts)) parseBaseUrl(host);
  }
}

function faultOf(profile: ExchangeProfile): string | undefined {
  const { hosts, window, time, answers, refusals, unexecuted, request, ccxt, source } = profile;
  const environments = Object.keys(hosts ?? {});
  if (typeof source !== 'string' || source === '') return 'source must name the document it was taken from';
  if (environments.length === 0 || !environments.every(each => ENVIRONMENTS.includes(each as Environment)))
    return `hosts must have one or more of ${ENVIRONMENTS.join(', ')}`;
  if (!time?.path?.startsWith('/')) return 'time.path must begin with "/"';
  if (!Array.isArray(answers?.yes) || !answers.code || !answers.message)
    return 'answers must have code, message and yes';
  if (!Array.isArray(unexecuted)) return 'unexecuted must be a list of codes';
  if (!Array.isArray(refusals)) return 'refusals must be a list of rules';
  if (!refusals.some(rule => rule.reason === 'timestamp'))
    return 'refusals must say which of them means the timestamp (reason "timestamp")';
  const rule = refusals.find(isBadRule);
  if (rule) return `refusals has a rule that is none: ${JSON.stringify(rule).slice(0, 100)}`;
  if (!request?.stamp?.name) return 'request.stamp must say where a request holds its timestamp';
  if (profile.funding && !(profile.funding.path?.startsWith('/') && Array.isArray(profile.funding.list)))
    return 'funding must have a path that begins with "/" and a list';
  const { requests, perMs } = profile.publicLimit ?? { requests: 1, perMs: 1 };
  if (!(requests >= 1 && perMs >= 1)) return 'publicLimit must have requests and perMs of 1 and up';
  if (!ccxt?.id || !ccxt.verification?.length) return 'ccxt must have an id and a verification';
  return (
    stampFault('time.stamp', time.stamp) ??
    stampFault('funding.next', profile.funding?.next) ??
    stampFault('answers.stamp', answers.stamp) ??
    windowFault(window)
  );
}

function isBadRule({ codes, reason, says }: RefusalRule): boolean {
  const isList =
    codes === undefined || (Array.isArray(codes) && codes.every(code => typeof code === 'string'));
  // One that is global or sticky goes on from where it found the last.
  const isExpression = says === undefined || (says instanceof RegExp && !/[gy]/.test(says.flags));
  return !isList || !isExpression || !REFUSAL_REASONS.includes(reason);
}

function stampFault(name: string, place: StampPlace | undefined): string | undefined {
  if (place === undefined)
    return name === 'time.stamp' ? 'time.stamp must say where the time stands' : undefined;
  if (!FORMATS.has(place.format)) return `${name}.format must be one of ${[...FORMATS].join(', ')}`;
  return Array.isArray(place.at) || 'header' in place.at
    ? undefined
    : `${name}.at must be a path or a header`;
}

function windowFault(rule: WindowRule | undefined): string | undefined {
  const isMs = (value: unknown) =>
    Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MAX_WINDOW_MS;
  if (!rule || ![rule.defaultMs, rule.maxMs, rule.earlyLimitMs, rule.aheadMs ?? 0].every(isMs))
    return `window must have whole milliseconds from 0 to ${MAX_WINDOW_MS}`;
  if (rule.defaultMs < 1 || rule.defaultMs > rule.maxMs)
    return 'window.defaultMs must be from 1 to window.maxMs';
  return undefined;
}
