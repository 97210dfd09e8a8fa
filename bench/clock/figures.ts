/**
 * The figures of a run, in the shape that `--json` prints. What the issue names comes first in each object; what follows
 * helps to read it. Times are milliseconds, but for `decisionUs`.
 */
import { type BadDayFigures, latenessAcceptedMs } from './bad-days.js';
import type { Decision } from './decision.js';
import type { LongLivedFigures } from './long-lived.js';
import type { Sample } from './statistics.js';
import { ESTIMATORS, type Tally } from './tally.js';

export interface EstimatorFigures {
  readonly name: string;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
}

export interface PolicyFigures {
  readonly name: string;
  /** Of the inits, 0 to 1. */
  readonly refusedShare: number;
  /** Inits refused though no clock had stepped. */
  readonly refusedWithoutStep: number;
  /** Refused inits for each step of an exchange's clock, on average. */
  readonly refusedPerStep: number;
  readonly syncsPer1000: number;
  /** Of the inits, 0 to 1: signed with something known, not measured for it. */
  readonly hitRate: number;
  /** Of connectors that nothing is known about, where the clocks are sane: the share that needed one request. */
  readonly firstContactOneTrip: number;
  /** Before ready, but for the accepted verification itself. */
  readonly waitedMsP50: number;
  readonly waitedMsP99: number;
  /** After the worst step. */
  readonly refusedPerStepMax: number;
  /** On the lying host, or with a link from before a freeze of the host. */
  readonly refusedByHost: number;
  /** With nothing known, and a clock that was not sane. */
  readonly refusedAtFirstContact: number;
  /** Inits that ended with an error: refused twice. */
  readonly failed: number;
}

export interface Figures {
  readonly seed: number;
  readonly inits: number;
  readonly boundViolations: number;
  readonly estimators: readonly EstimatorFigures[];
  readonly policies: readonly PolicyFigures[];
  readonly days: number;
  /** Of the exchanges' clocks. */
  readonly steps: number;
  /** Inits that the bound does not speak about, by why not. */
  readonly excused: Readonly<Record<string, number>>;
  /** Of these, whose error was larger than the uncertainty all the same. */
  readonly excusedBeyond: Readonly<Record<string, number>>;
  readonly firstContacts: number;
  /** The error on the host whose clock is broken: its own, which nobody else may suffer from. */
  readonly lyingHost: { readonly inits: number; readonly p50Ms: number; readonly p99Ms: number };
  /** `oracle-with-links`, and ours where no clock had stepped unnoticed. */
  readonly references: readonly EstimatorFigures[];
  /** Of ours. */
  readonly uncertaintyMs: { readonly p50: number; readonly p99: number };
  /** Inits of ours, by what the first request was signed with. */
  readonly contacts: Readonly<Record<string, number>>;
  readonly events: number;
  readonly invalidFacts: number;
  readonly decisionUs: Decision;
  /** A day of processes that sign thousands of requests between inits; see long-lived.ts. */
  readonly longLived: LongLivedFigures;
  /** Worlds of their own; see bad-days.ts. */
  readonly badDays: readonly BadDayFigures[];
  /** Of all bad days: syncs condemned though they contained the truth. */
  readonly falseCondemnations: number;
  /** Of all bad days: inits that failed by a request no later than the whole window. */
  readonly initsFailedByLateness: number;
  /** Inits refused in the world whose edge's clock is off. */
  readonly refusedByEdge: number;
  /** How late a request may be that is signed by a clock known to ±10 ms. */
  readonly latenessAcceptedMs: number;
}

export interface OtherWorlds {
  readonly longLived: LongLivedFigures;
  readonly badDays: readonly BadDayFigures[];
}

export function figuresOf(tally: Tally, decisionUs: Decision, { longLived, badDays }: OtherWorlds): Figures {
  const { world, errors, totals } = tally;
  const stepped = world.exchanges.flatMap(({ clock }) =>
    clock.steps.filter(({ atMs }) => atMs < world.endMs),
  );
  const steps = stepped.length;
  const estimator = (name: string, sample: Sample): EstimatorFigures => ({
    name,
    p50Ms: sample.quantile(0.5),
    p99Ms: sample.quantile(0.99),
    p999Ms: sample.quantile(0.999),
    maxMs: sample.max(),
  });
  const policies = [...tally.counts].map(([name, counts]): PolicyFigures => {
    const afterSteps = [...counts.perStep.values()];
    const { sane, saneOneTrip } = counts.firstContacts;
    return {
      name,
      refusedShare: counts.refused / counts.inits,
      refusedWithoutStep: counts.refusedWithoutStep,
      refusedPerStep: steps === 0 ? 0 : afterSteps.reduce((sum, n) => sum + n, 0) / steps,
      syncsPer1000: (1000 * counts.syncs) / counts.inits,
      hitRate: counts.hits / counts.inits,
      firstContactOneTrip: saneOneTrip / sane,
      waitedMsP50: counts.waitedMs.quantile(0.5),
      waitedMsP99: counts.waitedMs.quantile(0.99),
      refusedPerStepMax: Math.max(0, ...afterSteps),
      refusedByHost: counts.refusedByHost,
      refusedAtFirstContact: counts.refusedAtFirstContact,
      failed: counts.failed,
    };
  });
  return {
    seed: world.seed,
    inits: tally.inits,
    boundViolations: tally.boundViolations,
    estimators: ESTIMATORS.map(name => estimator(name, errors[name])),
    policies,
    days: world.days,
    steps,
    excused: tally.excused,
    excusedBeyond: tally.excusedBeyond,
    firstContacts: tally.counts.get('adaptive')?.firstContacts.sane ?? 0,
    lyingHost: {
      inits: tally.lying.inits,
      p50Ms: tally.lying.errorMs.quantile(0.5),
      p99Ms: tally.lying.errorMs.quantile(0.99),
    },
    references: [
      estimator('oracle-with-links', errors['oracle-with-links']),
      estimator('ours-without-step', tally.withoutStep),
    ],
    uncertaintyMs: { p50: tally.uncertaintyMs.quantile(0.5), p99: tally.uncertaintyMs.quantile(0.99) },
    contacts: Object.fromEntries(tally.contacts),
    events: totals.events,
    invalidFacts: totals.invalidFacts,
    decisionUs,
    longLived,
    badDays,
    falseCondemnations: sumOf(badDays, day => day.falseCondemnations),
    initsFailedByLateness: sumOf(badDays, day => day.initsFailedByLateness),
    refusedByEdge: sumOf(badDays, day => (day.world === 'edge' ? day.refused : 0)),
    latenessAcceptedMs: latenessAcceptedMs(),
  };
}

const sumOf = (days: readonly BadDayFigures[], figure: (day: BadDayFigures) => number): number =>
  days.reduce((sum, day) => sum + figure(day), 0);
