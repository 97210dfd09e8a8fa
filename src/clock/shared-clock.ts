/**
 * The clock that all connectors of one exchange and environment share, as seen against one reference clock.
 *
 * Every measurement of any connector tightens it: intervals are intersected, inflated for their age, in a way that
 * one lying host cannot spoil (evidence.ts), and the rate at which the offset moves is learned (drift.ts).
 *
 * When a measurement excludes what was believed, either a clock stepped or the host that measured is wrong. From
 * one host's word the two cannot be told apart, and both mistakes are dear: to believe a liar spoils the clock for
 * everybody, not to believe in a step has everybody refused. So one host's contradiction makes the clock
 * *contested* and itself a *rival*. Nobody may guess while it is: whoever needs the clock next either signs in the
 * middle, where both agree well enough, or measures for itself, which costs one round trip and decides:
 *
 *            contradicts                     another host agrees with the rival
 *   agreed ──────────────► contested ───────────────────────────────────────────► agreed, next epoch
 *     ▲                        │ another host agrees with the clock
 *     └────────────────────────┘ (its host is not listened to again in this epoch)
 *
 * A coarse measurement may agree with both sides. It decides nothing, and is set aside: added to the clock it could
 * bend it towards the rival until neither excluded the other and nobody could decide any more. Where the rival's word
 * has aged until it excludes nothing, the contest is over, and the clock goes on. (One that was kept open ended with a
 * liar, who agreed with the aged rival as anybody would, and so began the next epoch.)
 *
 * Where a host decides alone (quorum.ts), what it contradicts is its own word, and it must heal too. But one answer may be
 * wrong by any amount (a proxy, a cache, a server behind a balancer), so its first contradiction makes it a rival as well,
 * and only a second measurement that agrees with the first opens the epoch. A refusal for the timestamp is none that could
 * be wrong in that way: the exchange itself judged.
 *
 * A login of the database can claim to be any machine. So where several logins are heard, those of one settle nothing
 * against the others': two machines that agree open an epoch only if a machine of another login does too, or none has been
 * heard for an hour.
 *
 * A new epoch begins with the word of one or two hosts. Where more had been heard before it, one of these may still be the
 * one that lies, so the same is asked of their bounds as before: the second best (evidence.ts).
 *
 * Steps that no sample excludes are told by where the samples lie; see residuals.ts.
 *
 * A refusal for the timestamp is a contradiction as well, even when it tells no time. What went before an epoch
 * must not be used any more, by any connector.
 */
import { addToDrift, type Drift, type DriftSums, driftOf } from './drift.js';
import {
  addEvidence,
  type Evidence,
  estimateFromEvidence,
  firstEvidence,
  isWithin,
  opened,
} from './evidence.js';
import { estimateOf, inflate, intersect, intervalAt, type OffsetEstimate } from './offset.js';
import { decidesAlone, MAX_HOSTS, presentAt, type Supporter, settleTogether } from './quorum.js';
import { honest, isFine, type Residuals, stepSuggestedBy, watch } from './residuals.js';
import { type Distrusted, isRefused, machineIn, witnessOf } from './witness.js';

export interface Measurement {
  readonly syncId: string;
  /** Exchange − reference, as this one measurement tells it. */
  readonly estimate: OffsetEstimate;
  /** It rests on earlier ones too (events of version 1): no point for a regression. */
  readonly isDerived?: boolean;
  readonly ttlMs: number;
  /** Who measured, as the event says it; the processes of one machine share its clock and are one host (witness.ts). */
  readonly host: string;
  /** Who told it, as the event store says it. */
  readonly login?: string | undefined;
}

/** A host that contradicts the clock. */
export interface Rival {
  readonly host: string;
  /** The sync it brought, or the one that was refused. */
  readonly syncId: string;
  /** Reference time; what was measured before is in doubt. */
  readonly sinceMs: number;
  /** What it says instead; `undefined` after a refusal that told no time. */
  readonly estimate?: OffsetEstimate | undefined;
  readonly ttlMs: number;
  /** Its host has measured it twice. Known only where it was folded just now, and asked only there. */
  readonly isConfirmed?: true;
}

/** What the next measurement is judged by, and nobody else needs. */
export interface ClockMemory {
  readonly evidence: Evidence;
  readonly drift?: DriftSums | undefined;
  /** Of this epoch, the latest first. */
  readonly supporters: readonly Supporter[];
  /** Who was there when the epoch began. */
  readonly former?: readonly Supporter[] | undefined;
  /** Whose contradiction others have refuted in this epoch. */
  readonly distrusted: readonly string[];
  /** How far the samples lie to one side of the claim; see residuals.ts. */
  readonly residuals?: Residuals | undefined;
  /** Whom an operator does not believe, in any epoch; see distrust.ts. */
  readonly refused?: readonly Distrusted[] | undefined;
}

export interface SharedClock {
  /** The latest measurement that went in. */
  readonly syncId: string;
  /** With the rate, where it is known. */
  readonly estimate: OffsetEstimate;
  /** Reference time at which it is no longer used. */
  readonly expiresAtMs: number;
  readonly isValid: boolean;
  /** From 1. */
  readonly epoch: number;
  /** Reference time; what was measured before it is void. {@link OPEN_START} in the first epoch. */
  readonly epochStartedAtMs: number;
  readonly sampleCount: number;
  readonly rival?: Rival | undefined;
  /** Missing where the clock was read for use: then it goes on from the estimate alone. */
  readonly memory?: ClockMemory | undefined;
}

/** The first epoch has no known beginning: nothing is void for being older. */
export const OPEN_START = 0;

/** Stands for all who made a clock whose memory was not read. */
const FORMER_HOSTS = ['(former 1)', '(former 2)'] as const;

export const driftOfClock = (clock: SharedClock): Drift => driftOf(clock.memory?.drift);

export function addMeasurement(clock: SharedClock | undefined, measured: Measurement): SharedClock {
  const m = { ...measured, host: witnessOf(measured.host, measured.login) };
  const refused = clock?.memory?.refused;
  if (!clock || !refused) return judge(clock, m);
  if (isRefused(refused, m.host)) return clock;
  const after = judge(clock, m);
  return after.memory && after !== clock ? { ...after, memory: { ...after.memory, refused } } : after;
}

function judge(clock: SharedClock | undefined, m: Measurement): SharedClock {
  if (!clock) return startClock(m, 1, OPEN_START);
  const { atMs } = m.estimate;
  // What arrives late from before the epoch was condemned, or read off a clock that has stepped since: even
  // where the two agree it proves nothing about the clock of now.
  if (atMs < clock.epochStartedAtMs) return clock;
  // Several connectors may report one measurement: it counts once, and stays condemned for all of them.
  if (m.syncId === clock.syncId || m.syncId === clock.rival?.syncId) return clock;
  if (!clock.isValid) return nextEpoch(clock, m, clock.epochStartedAtMs);
  return agrees(clock, m.estimate) ? supported(clock, m) : contradicted(clock, m);
}

export interface Condemnation {
  readonly syncId: string;
  readonly measuredAtMs: number;
  /** The exchange refused the timestamp: the clock stepped, so what is older than the sync is void too. */
  readonly voidsOlder: boolean;
  readonly host: string;
  readonly login?: string | undefined;
}

/** Never touches a clock whose latest measurement is newer than the condemned one (promise 4). */
export function condemn(clock: SharedClock, c: Condemnation): SharedClock {
  const rests = clock.syncId === c.syncId || (c.voidsOlder && clock.estimate.atMs <= c.measuredAtMs);
  if (!rests || !clock.isValid) return clock;
  if (!c.voidsOlder) return { ...clock, isValid: false, rival: undefined };
  const host = witnessOf(c.host, c.login);
  if (isDistrusted(clock, host) || isRefused(clock.memory?.refused, host) || clock.rival) return clock;
  const sinceMs = Math.max(clock.epochStartedAtMs, c.measuredAtMs + 1);
  if (isLone(clock, host, c.measuredAtMs)) {
    return { ...clock, isValid: false, epochStartedAtMs: sinceMs };
  }
  return { ...clock, rival: { host, syncId: c.syncId, sinceMs, ttlMs: 0 } };
}

/** Where none was read, what can be said without. */
export const memoryOf = (clock: SharedClock): ClockMemory => clock.memory ?? memoryFrom(clock);

export const clockAt = (clock: SharedClock, referenceTimeMs: number): OffsetEstimate =>
  inflate(clock.estimate, referenceTimeMs);

function startClock(m: Measurement, epoch: number, epochStartedAtMs: number): SharedClock {
  const { host } = m;
  return {
    syncId: m.syncId,
    estimate: { ...m.estimate, rate: undefined },
    expiresAtMs: m.estimate.atMs + m.ttlMs,
    isValid: true,
    epoch,
    epochStartedAtMs,
    sampleCount: 1,
    memory: {
      evidence: firstEvidence(host, m.estimate),
      drift: m.isDerived ? undefined : addToDrift(undefined, m.estimate),
      supporters: [{ host, atMs: m.estimate.atMs }],
      distrusted: [],
    },
  };
}

/** Those who were heard are remembered: it is the same deployment. */
function nextEpoch(clock: SharedClock, m: Measurement, epochStartedAtMs: number): SharedClock {
  const next = startClock(m, clock.epoch + 1, epochStartedAtMs);
  if (!clock.memory || !next.memory) return next;
  const former = presentAt(clock.memory, m.estimate.atMs);
  return former.length === 0 ? next : { ...next, memory: { ...next.memory, former } };
}

/** Within what is known of the clock, or within what any clock may have done since. */
export const agrees = (clock: SharedClock, estimate: OffsetEstimate): boolean =>
  intersect(clock.estimate, estimate) !== undefined ||
  // The line through the past may have bent: only what the assumed bound excludes too is a step.
  intersect({ ...clock.estimate, rate: undefined }, estimate) !== undefined;

function supported(clock: SharedClock, m: Measurement): SharedClock {
  const { rival } = clock;
  const verdict = rival && verdictOn(rival, clock.estimate, m.estimate);
  if (verdict === 'undecided') return undecided(clock, m);
  const { atMs } = m.estimate;
  const { host } = m;
  const { evidence, drift, supporters, former, distrusted, residuals } = memoryOf(clock);
  const isLatest = atMs >= clock.estimate.atMs;
  const isBent = intersect(clock.estimate, m.estimate) === undefined;
  const before = isBent ? undefined : drift;
  const sums = m.isDerived ? before : addToDrift(before, m.estimate);
  const knownRate = isBent ? undefined : clock.estimate.rate;
  // Known without its login before, it is not one more.
  const others = supporters.filter(s => s.host !== host && s.host !== machineIn(host));
  const heard = [{ host, atMs }, ...others].slice(0, MAX_HOSTS);
  const hosts = presentAt({ supporters: heard, former }, Math.max(atMs, clock.estimate.atMs)).length;
  const seen = isLatest && !m.isDerived ? watch(residuals, clock.estimate, m.estimate) : residuals;
  const suggested = stepSuggestedBy(seen, atMs);
  const added = addEvidence(evidence, host, m.estimate, knownRate);
  // Of the evidence, not of the claim: that one reaches as far on its near side as on its far one.
  const isOutside =
    isFine(inflate(clock.estimate, atMs), m.estimate) && !isWithin(evidence, hosts, m.estimate, knownRate);
  const shown = isLatest && isOutside ? intervalAt(m.estimate, atMs) : suggested;
  const all = shown ? opened(added, shown) : added;
  const { isMeasured, rate } = driftOf(sums);
  const isLiar = rival?.estimate !== undefined && verdict === 'refuted' && rival.host !== host;
  return {
    ...clock,
    syncId: isLatest ? m.syncId : clock.syncId,
    estimate: honest(
      estimateFromEvidence(all, hosts, isMeasured ? rate : undefined),
      clock.estimate,
      m.estimate,
    ),
    expiresAtMs: Math.max(clock.expiresAtMs, atMs + m.ttlMs),
    sampleCount: clock.sampleCount + 1,
    rival: verdict === 'open' ? rival : undefined,
    memory: {
      evidence: all,
      drift: sums,
      supporters: heard,
      former,
      distrusted: isLiar ? [rival.host, ...distrusted].slice(0, MAX_HOSTS) : distrusted,
      residuals: suggested ? undefined : seen,
    },
  };
}

/** Set aside, but for where it lies: a host that decides alone is shown a step by it as well (residuals.ts). */
function undecided(clock: SharedClock, m: Measurement): SharedClock {
  const { memory, rival } = clock;
  const { atMs } = m.estimate;
  if (!memory || atMs < clock.estimate.atMs) return clock;
  const residuals = watch(memory.residuals, clock.estimate, m.estimate);
  if (residuals === memory.residuals) return clock;
  const suggested = stepSuggestedBy(residuals, atMs);
  const { host } = m;
  if (!suggested || rival?.host !== host || !isLone(clock, host, atMs)) {
    return { ...clock, memory: { ...memory, residuals } };
  }
  return nextEpoch(clock, { ...m, estimate: estimateOf(suggested, atMs) }, rival.sinceMs);
}

/**
 * What a measurement that agrees with the clock says of its rival.
 *   open       nothing: it was made before the rival spoke
 *   refuted    it excludes the rival
 *   undecided  it agrees with both, and they exclude each other
 *   moot       clock and rival exclude each other no longer
 */
function verdictOn(
  { estimate: says, sinceMs }: Rival,
  clock: OffsetEstimate,
  measured: OffsetEstimate,
): 'open' | 'refuted' | 'undecided' | 'moot' {
  if (measured.atMs < sinceMs) return 'open';
  if (!says || !intersect(says, measured)) return 'refuted';
  return intersect(says, inflate(clock, measured.atMs)) ? 'moot' : 'undecided';
}

function contradicted(clock: SharedClock, m: Measurement): SharedClock {
  const { atMs } = m.estimate;
  const { host } = m;
  if (atMs <= clock.estimate.atMs || isDistrusted(clock, host)) return clock;
  const { rival } = clock;
  // A rival that was refused and told no time has nothing to agree with: whoever says what the time is becomes the rival.
  if (rival?.estimate && rival.host !== host && intersect(rival.estimate, m.estimate)) {
    if (maySettle(clock, rival.host, host, atMs)) {
      return supported(nextEpoch(clock, { ...rival, estimate: rival.estimate }, rival.sinceMs), m);
    }
  }
  if (clock.expiresAtMs <= atMs) return nextEpoch(clock, m, rival?.sinceMs ?? atMs);
  const saysItAgain = rival?.host === host && rival.estimate && intersect(rival.estimate, m.estimate);
  if (saysItAgain && rival.estimate && isLone(clock, host, atMs)) {
    return supported(nextEpoch(clock, { ...rival, estimate: rival.estimate }, rival.sinceMs), m);
  }
  const sinceMs = rival ? Math.min(rival.sinceMs, atMs) : atMs;
  const says: Rival = { host, syncId: m.syncId, sinceMs, estimate: m.estimate, ttlMs: m.ttlMs };
  return { ...clock, rival: saysItAgain ? { ...says, isConfirmed: true } : says };
}

/** Read for use, without who supports it: the fold over all events decides, this process meanwhile believes itself. */
const isLone = ({ memory, rival }: SharedClock, host: string, atMs: number): boolean =>
  !memory || decidesAlone(memory, host, atMs, rival);

const maySettle = (clock: SharedClock, rival: string, host: string, atMs: number): boolean =>
  settleTogether(clock.memory?.supporters ?? [], rival, host, atMs);

const isDistrusted = (clock: SharedClock, host: string): boolean =>
  clock.memory?.distrusted.includes(host) ?? false;

function memoryFrom({ estimate }: SharedClock): ClockMemory {
  const [one, two] = FORMER_HOSTS;
  return {
    evidence: addEvidence(firstEvidence(one, estimate), two, estimate, estimate.rate),
    supporters: FORMER_HOSTS.map(host => ({ host, atMs: estimate.atMs })),
    distrusted: [],
  };
}
