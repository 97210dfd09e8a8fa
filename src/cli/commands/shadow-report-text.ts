/**
 * The figures of shadow mode as a report: by exchange and by where the first offset would have come from, in total, and
 * in one sentence that says what a team would have got from `CACHE_MODE=on`, and what it would have paid.
 */
import {
  type ErrorDistribution,
  isHit,
  type ShadowOutcome,
  type ShadowOutcomes,
  type ShadowSummary,
  summariseShadow,
} from '../../read-model/shadow-queries.js';
import { table } from '../output.js';
import { iso } from '../quantities.js';

export interface ShadowGroup extends ShadowSummary {
  readonly exchange: string;
  readonly environment: string;
  readonly contact: string;
  readonly tier: string;
}

export interface ShadowReport {
  readonly from: string;
  readonly until: string;
  readonly verdict: string;
  readonly total: ShadowSummary;
  readonly groups: readonly ShadowGroup[];
  /** Of every error that was compared, by the upper ends of buckets. */
  readonly histogram: readonly { readonly upToMs: number; readonly inits: number }[];
}

/** Fewer comparisons say little about the one in a hundred that fails. */
const FEW = 100;

export function reportOf({ fromMs, untilMs, outcomes }: ShadowOutcomes): ShadowReport {
  const total = summariseShadow(outcomes);
  return {
    from: iso(fromMs),
    until: iso(untilMs),
    verdict: verdictOf(total, summariseShadow(outcomes.filter(isHit)).error),
    total,
    groups: groupsOf(outcomes),
    histogram: histogramOf(outcomes),
  };
}

/** As an init would try them. */
const SOURCES = ['memory', 'redis', 'postgres', 'exchange-clock', 'verify-first', 'sync'];

function groupsOf(outcomes: readonly ShadowOutcome[]): ShadowGroup[] {
  const groups = new Map<string, ShadowOutcome[]>();
  for (const outcome of outcomes) {
    const { exchange, environment, contact, tier } = outcome;
    const name = [exchange, environment, contact, tier].join(' ');
    groups.set(name, [...(groups.get(name) ?? []), outcome]);
  }
  return [...groups.values()]
    .map(group => {
      const { exchange, environment, contact, tier } = group[0] as ShadowOutcome;
      return { exchange, environment, contact, tier, ...summariseShadow(group) };
    })
    .sort((a, b) => nameOf(a).localeCompare(nameOf(b)) || rankOf(a) - rankOf(b));
}

const rankOf = ({ contact, tier }: ShadowGroup) => SOURCES.indexOf(tier || contact);

function histogramOf(outcomes: readonly ShadowOutcome[]) {
  const inits = new Map<number, number>();
  for (const { errorUpToMs, inits: n } of outcomes) {
    if (errorUpToMs > 0) inits.set(errorUpToMs, (inits.get(errorUpToMs) ?? 0) + n);
  }
  return [...inits].sort(([a], [b]) => a - b).map(([upToMs, n]) => ({ upToMs, inits: n }));
}

/** Refusals are counted for all, the largest error for what the cache knew: a first contact claims to know nothing. */
function verdictOf(total: ShadowSummary, ofHits: ErrorDistribution | undefined): string {
  const { inits, hits, error, refused, possiblyRefused, beyondBound, unmeasured } = total;
  const parts = [`With CACHE_MODE=on ${share(hits, inits)} of ${number(inits)} inits would have been hits`];
  if (ofHits)
    parts.push(`the largest error of a hit was ${ms(ofHits.maxMs)} of ${ms(ofHits.toleranceMs)} allowed`);
  if (error) {
    const perhaps = possiblyRefused > 0 ? `, ${number(possiblyRefused)} more perhaps` : '';
    parts.push(
      `${number(refused)} of ${number(error.compared)} would have been refused for the timestamp${perhaps}`,
    );
  } else {
    parts.push('none could be compared with a measurement');
  }
  const sentences = [parts.join('; ')];
  if (refused + possiblyRefused > 0)
    sentences.push('A refusal costs one more round trip, for it tells the right time');
  if (beyondBound > 0)
    sentences.push(
      `${number(beyondBound)} ${beyondBound === 1 ? 'error was' : 'errors were'} larger than the cache thought possible: a clock stepped, or drifts faster than assumed`,
    );
  if (unmeasured > 0)
    sentences.push(
      `${number(unmeasured)} could not be compared, because the exchange's time could not be had (a hit does without)`,
    );
  if (error && error.compared < FEW)
    sentences.push(
      `${number(error.compared)} compared ${error.compared === 1 ? 'init says' : 'inits say'} little: let it run for longer`,
    );
  return `${sentences.join('. ')}.`;
}

const HEAD = [
  'exchange',
  'would start from',
  'inits',
  'share',
  'p50',
  'p95',
  'p99',
  'max',
  'allowed',
  'refused',
];

export function showReport({ from, until, verdict, total, groups }: ShadowReport): string {
  const rows = groups.map(group => [nameOf(group), sourceOf(group), ...figures(group, total.inits)]);
  return [
    `shadow mode, ${from} to ${until}`,
    '',
    table(
      HEAD,
      [...rows, ['all', '', ...figures(total, total.inits)]],
      HEAD.map((_, column) => (column < 2 ? 'left' : 'right')),
    ),
    '',
    ...notes(total),
    verdict,
  ].join('\n');
}

const nameOf = ({ exchange, environment }: ShadowGroup) => `${exchange} ${environment}`;

function sourceOf({ contact, tier, missesByReason }: ShadowGroup): string {
  if (contact === 'state') return `its state (${tier})`;
  if (contact === 'exchange-clock') return 'the exchange clock';
  if (contact === 'verify-first') return "the database's clock";
  return `a sync (${listOf(missesByReason)})`;
}

function figures({ inits, error, refused, possiblyRefused }: ShadowSummary, allInits: number): string[] {
  const perhaps = possiblyRefused > 0 ? ` (+ ${number(possiblyRefused)}?)` : '';
  return [
    number(inits),
    share(inits, allInits),
    ...errors(error),
    error ? `${number(refused)}${perhaps}` : '',
  ];
}

const errors = (error: ErrorDistribution | undefined): string[] =>
  error
    ? [
        upTo(error.p50UpToMs),
        upTo(error.p95UpToMs),
        upTo(error.p99UpToMs),
        ms(error.maxMs),
        ms(error.toleranceMs),
      ]
    : ['', '', '', '', ''];

function notes({ error, stale, missesByReason, firstContacts, syncs }: ShadowSummary): string[] {
  const said: string[] = [];
  if (firstContacts + syncs > 0) said.push(`misses: ${listOf(missesByReason)}`);
  if (stale > 0) said.push(`${number(stale)} would have been stale: past their end, but good enough`);
  if (error) said.push(`the measurements themselves are good to ± ${ms(error.measuredToMs)} at worst`);
  return said.length > 0 ? [...said, ''] : [];
}

const listOf = (counts: Readonly<Record<string, number>>) =>
  Object.entries(counts)
    .map(([name, n]) => `${name} ${number(n)}`)
    .join(', ');

/** 10 000, so that digits can be counted. */
const number = (n: number): string => String(n).replace(/\B(?=(\d{3})+$)/g, ' ');

/** `0.043 ms`, `12.3 ms`, `2000 ms`. */
const ms = (value: number): string => `${value >= 100 ? Math.round(value) : Number(value.toPrecision(3))} ms`;

/** A bound stays one when it is rounded. */
function upTo(value: number): string {
  const shown = Number(value.toPrecision(3));
  const step = 10 ** (Math.floor(Math.log10(value || 1)) - 2);
  return `≤ ${ms(shown >= value ? shown : shown + step)}`;
}

/** Never 100 % when one is missing, never 0 % when there is one. */
function share(part: number, whole: number): string {
  if (whole === 0) return '0 %';
  const percent = (100 * part) / whole;
  const rounded = Math.round(percent * 10) / 10;
  if (part < whole && rounded === 100) return '> 99.9 %';
  if (part > 0 && rounded === 0) return '< 0.1 %';
  return `${rounded} %`;
}
