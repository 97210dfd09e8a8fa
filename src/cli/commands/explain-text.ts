/** The figures of an explanation, in words. */
import type { Explanation } from '../../cache/explanation.js';
import { inSeconds } from '../../clock/answers.js';
import type { OffsetEstimate } from '../../clock/offset.js';
import { MAX_TTL_MS, MIN_ADAPTIVE_TTL_MS } from '../../clock/ttl.js';
import { DEFAULT_SCOPE } from '../../events/connector.js';
import { counted, iso, plusMinus, span } from '../quantities.js';

export function inWords(userId: string, credentialId: string, e: Explanation): string {
  const scope = e.scope === DEFAULT_SCOPE ? '' : ` on ${e.scope}`;
  return [
    `${userId} ${credentialId}: ${e.exchange} ${e.environment}${scope}, ${STATUS[e.status]}`,
    '',
    'Why this offset',
    ...whyOffset(e),
    '',
    'Why this TTL',
    ...whyTtl(e),
    '',
    'When it ends',
    ...whenItEnds(e),
    ...(e.late.last ? ['', 'What was late', ...whatWasLate(e.late.requests, e.late.last)] : []),
    ...(e.clock ? ['', 'The clock that all connectors share', ...sharedClock(e.clock)] : []),
  ].join('\n');
}

const STATUS: Record<Explanation['status'], string> = {
  usable: 'usable',
  stale: 'past its end, and still good enough to be used',
  'too-uncertain': 'past its end, and too uncertain to be more than a guess',
  invalid: 'invalid',
  contested: 'in doubt: another machine contradicts it',
};

const SOURCE = {
  'time-endpoint': 'a measurement with the time endpoint',
  response: 'the stamp of an ordinary response',
  refusal: "the clock in the exchange's refusal",
  'date-header': 'the Date header of an ordinary response',
} as const;

function whyOffset(e: Explanation): string[] {
  const { measured, chosenBy, clock } = e;
  const lines = [
    `  On ${iso(measured.atMs)} (${span(e.nowMs - measured.atMs)} ago) the exchange's clock was ${aheadOf(measured)} of ${e.referenceClock}.`,
  ];
  if (!chosenBy) lines.push('  The event that says how it was measured is no longer in the store.');
  else if (chosenBy.basis !== 'measured')
    lines.push(
      "  It was taken over from the exchange's shared clock, after a request signed with that was accepted.",
    );
  else {
    const source = chosenBy.source ? SOURCE[chosenBy.source] : 'a measurement';
    lines.push(
      `  It comes from ${source} on ${chosenBy.host} (trigger ${chosenBy.trigger}, round trip ${ms(chosenBy.roundTripMs)}).`,
    );
    const isTightened = chosenBy.sampleUncertaintyMs > measured.uncertaintyMs * 1.001;
    if (isTightened)
      lines.push(
        `  By itself that says ${plusMinus(chosenBy.sampleOffsetMs, chosenBy.sampleUncertaintyMs)}; the rest was known from earlier samples.`,
      );
  }
  const rate = e.now.rate ?? { ratePpm: 0, boundPpm: 50 };
  const isKnown = clock?.drift.isMeasured === true;
  lines.push(
    isKnown
      ? `  The clocks drift apart by ${rate.ratePpm.toFixed(2)} ± ${rate.boundPpm.toFixed(2)} ppm (${clock.drift.samples.toFixed(0)} samples over ${span(clock.drift.spanMs)}), so now it is ${plusMinus(e.now.offsetMs, e.now.uncertaintyMs)}.`
      : `  Their drift is not known yet and taken as at most ${rate.boundPpm.toFixed(0)} ppm, so now it is ${plusMinus(e.now.offsetMs, e.now.uncertaintyMs)}.`,
  );
  return lines;
}

function whyTtl({ chosenBy, toleranceMs }: Explanation): string[] {
  if (!chosenBy) return ['  Not known: see above.'];
  const { ttlPolicy, ttlInputs, ttlMs } = chosenBy;
  if (ttlPolicy === 'fixed') return [`  ${span(ttlMs)}, by the fixed policy (STATE_TTL_MS).`];
  if (ttlPolicy !== 'adaptive')
    return [`  ${span(ttlMs)}: it ends with the measurement that it was taken over from.`];
  const { safeShare = 0.5, uncertaintyMs = 0, rateBoundPpm = 50, unlimitedMs = ttlMs } = ttlInputs;
  const bearsMs = ttlInputs.toleranceMs ?? toleranceMs;
  const cut =
    unlimitedMs > MAX_TTL_MS
      ? `; no offset is kept longer than ${span(MAX_TTL_MS)}`
      : unlimitedMs < MIN_ADAPTIVE_TTL_MS
        ? `; none is kept shorter than ${span(MIN_ADAPTIVE_TTL_MS)}`
        : '';
  return [
    `  ${span(ttlMs)}, by the adaptive policy: the request window bears an error of ± ${ms(bearsMs)}, ${(safeShare * 100).toFixed(0)} % of which is for drift.`,
    `  (${(safeShare * bearsMs).toFixed(0)} − ${uncertaintyMs.toFixed(1)}) ms at ${rateBoundPpm.toFixed(2)} ppm is ${span(Math.max(0, unlimitedMs))}${cut}.`,
  ];
}

function whenItEnds(e: Explanation): string[] {
  if (e.status === 'invalid')
    return [`  It was condemned (${e.invalidReason ?? 'no reason given'}): the next init does without it.`];
  const ends =
    e.expiresAtMs > e.nowMs ? `in ${span(e.expiresAtMs - e.nowMs)}` : `${span(e.nowMs - e.expiresAtMs)} ago`;
  const good = e.goodUntilMs > e.nowMs ? `until ${iso(e.goodUntilMs)}` : `only until ${iso(e.goodUntilMs)}`;
  return [
    `  ${iso(e.expiresAtMs)}, ${ends}. A response that carries a stamp can move that on.`,
    `  Past that it is used, marked stale, for as long as its error stays below ± ${ms(e.toleranceMs)}: ${good}.`,
  ];
}

function whatWasLate(requests: number, last: NonNullable<Explanation['late']['last']>): string[] {
  return [
    `  ${requests === 1 ? 'One request was' : `${requests} requests were`} refused for lateness alone; nothing was condemned for it. On ${iso(last.atMs)}: refused because ${inSeconds(last)} late; the clock was right within ${Math.ceil(last.uncertaintyMs)} ms.`,
  ];
}

function sharedClock(clock: NonNullable<Explanation['clock']>): string[] {
  const since = clock.epochStartedAtMs > 0 ? ` that began ${iso(clock.epochStartedAtMs)}` : '';
  const lines = [
    `  Epoch ${clock.epoch}${since}, ${counted(clock.sampleCount, 'sample')}, the last ${iso(clock.measuredAtMs)}: ${plusMinus(clock.offsetMs, clock.uncertaintyMs)} then.`,
  ];
  if (!clock.isValid) lines.push('  It was condemned, and the next measurement starts the next epoch.');
  if (clock.contestedSinceMs !== null)
    lines.push(
      `  ${clock.rivalHost} contradicts it since ${iso(clock.contestedSinceMs)}; the next machine that measures decides.`,
    );
  return lines;
}

const ms = (value: number) => `${value.toFixed(value < 100 ? 1 : 0)} ms`;

function aheadOf({ offsetMs, uncertaintyMs }: OffsetEstimate): string {
  const side = offsetMs < 0 ? 'behind that' : 'ahead';
  return `${Math.abs(offsetMs).toFixed(1)} ± ${uncertaintyMs.toFixed(1)} ms ${side}`;
}
