/** The figures of a run as tables, for people. */
import { table } from '../../src/cli/output.js';
import type { Figures } from './figures.js';
import { targetsOf } from './targets.js';

export function showFigures(figures: Figures): string {
  const { seed, inits, days, steps, estimators, references, policies } = figures;
  return [
    `Seed ${seed}: ${inits.toLocaleString('en-US')} inits in ${days} days; the exchanges' clocks stepped ${steps} times.`,
    '',
    'Error of the offset used at the init, ms',
    '',
    table(
      ['estimator', 'p50', 'p99', 'p99.9', 'max'],
      [...estimators, ...references].map(({ name, ...e }) => [
        name,
        ...[e.p50Ms, e.p99Ms, e.p999Ms, e.maxMs].map(number),
      ]),
      ['left', 'right', 'right', 'right', 'right'],
    ),
    '',
    'Policies',
    '',
    table(
      [
        'policy',
        'refused',
        'without step',
        'per step',
        'max',
        'syncs/1000',
        'hit rate',
        'first contact',
        'waited p50',
        'p99, ms',
      ],
      policies.map(p => [
        p.name,
        percent(p.refusedShare),
        number(p.refusedWithoutStep),
        number(p.refusedPerStep),
        number(p.refusedPerStepMax),
        number(p.syncsPer1000),
        percent(p.hitRate),
        percent(p.firstContactOneTrip),
        number(p.waitedMsP50),
        number(p.waitedMsP99),
      ]),
      ['left', ...Array.from({ length: 9 }, () => 'right' as const)],
    ),
    '',
    'Figures to reach',
    '',
    table(
      ['figure', 'reached', 'wanted', ''],
      targetsOf(figures).map(({ name, value, kind, limit, isMet }) => [
        name,
        number(value),
        `${kind === 'at most' ? '≤' : '≥'} ${limit}`,
        isMet ? 'met' : 'MISSED',
      ]),
      ['left', 'right', 'right', 'left'],
    ),
    '',
    ...notes(figures),
  ].join('\n');
}

function notes({
  excused,
  excusedBeyond,
  inits,
  contacts,
  lyingHost,
  events,
  invalidFacts,
  uncertaintyMs,
  longLived,
  badDays,
}: Figures): string[] {
  const list = (counts: Readonly<Record<string, number>>, about = (_name: string) => '') =>
    Object.entries(counts)
      .filter(([, count]) => count > 0)
      .map(([name, count]) => `${name} ${count}${about(name)}`)
      .join(', ');
  const reasons = list(excused, name => ` (beyond it ${excusedBeyond[name] ?? 0})`);
  const left = Object.values(excused).reduce((sum, count) => sum + count, 0);
  return [
    `Held to the bound: ${inits - left} inits, uncertainty ${number(uncertaintyMs.p50)} ms (p50), ${number(uncertaintyMs.p99)} ms (p99); not held: ${reasons}.`,
    `Ours signed first with: ${list(contacts)}.`,
    `The lying host was off by ${number(lyingHost.p50Ms)} ms (p50) in its own ${lyingHost.inits} inits, which the errors above leave out.`,
    `Long-lived: ${longLived.processes} processes signed ${longLived.signed} requests in ${longLived.hours} h between inits; ${longLived.refused} were refused (without a step ${longLived.refusedWithoutStep}, most a step and process ${longLived.refusedPerStepAndProcess}, in a suspend that nobody can see ${longLived.unseenSuspends}); timestamp() threw ${longLived.uncertain} times; ${number(longLived.syncsPerProcess)} syncs and ${number(longLived.lookupsPerProcess)} lookups a process.`,
    ...badDays.map(
      day =>
        `Bad day ${day.world}: of ${day.inits} inits ${day.refused} were refused, ${day.failed} failed (by lateness ${day.initsFailedByLateness}); ${day.falseCondemnations} false condemnations, ${day.boundViolations} beyond the bound.`,
    ),
    `Facts recorded: ${events}${invalidFacts > 0 ? `; ${invalidFacts} more failed their schema` : ''}.`,
  ];
}

/** Four digits that mean something. */
function number(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? '–' : '∞';
  if (Math.abs(value) >= 10_000) return Math.round(value).toLocaleString('en-US');
  return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(4)));
}

const percent = (share: number) => `${Number((100 * share).toPrecision(5))} %`;
