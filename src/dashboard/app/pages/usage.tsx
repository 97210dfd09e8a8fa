/** How much is answered without a sync, from where, and what that saves. */
import { useMemo } from 'preact/hooks';
import { usage } from '../api/calls.js';
import type { UsageBucket } from '../api/types.js';
import { Plot } from '../charts/plot.js';
import type { Colour, PlotSpec, Series } from '../charts/spec.js';
import { ExchangeChoice, RangeChoice } from '../parts/choices.js';
import { Empty, Loaded } from '../parts/states.js';
import { Tile } from '../parts/tile.js';
import { useFilters } from '../state/address.js';
import { useLiveTick } from '../state/live.js';
import { asked, fixedRange, rangeIn, type TimeRange } from '../state/range.js';
import { useResource } from '../state/resource.js';
import { serviceAheadMs, serviceNow } from '../state/service-time.js';
import { count, share, span } from '../state/words.js';
import { Forecast } from './forecast.js';
import { bySpan, sumOf, type UsageSum } from './usage-sums.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Of one sync, in the design's measurements: what every hit saves. */
const SYNC_MS = 1_500;
const TIERS = [
  ['memory', 'tier-1', 'hitsMemory'],
  ['redis', 'tier-2', 'hitsRedis'],
  ['postgres', 'tier-3', 'hitsPostgres'],
  ['exchange-clock', 'tier-4', 'hitsExchangeClock'],
] as const;

export default function Usage() {
  const [filters, change] = useFilters();
  const { exchange = '', environment = '' } = filters;
  const tick = useLiveTick();
  const range = useMemo(
    () => rangeIn(filters, serviceNow(), '7d'),
    [filters['range'], filters['from'], filters['until'], tick, serviceAheadMs.value],
  );
  const bucketMs = range.untilMs - range.fromMs > 14 * DAY_MS ? DAY_MS : HOUR_MS;
  const all = useResource(
    JSON.stringify([exchange, environment, filters['range'], filters['from'], filters['until']]),
    signal => usage({ exchange, environment, ...asked(range), bucketMs }, signal),
    tick,
  );
  return (
    <>
      <form class="filters" onSubmit={event => event.preventDefault()}>
        <ExchangeChoice filters={filters} change={change} />
        <RangeChoice range={range} change={change} />
      </form>
      <Loaded
        of={all}
        isEmpty={({ buckets }) => buckets.length === 0}
        empty={
          <Empty title="Nothing was looked up in this range">Choose a longer one, or another exchange.</Empty>
        }
      >
        {({ buckets }) => (
          <Figures
            buckets={buckets}
            range={range}
            spanMs={bucketMs}
            onRange={r => change(r ? fixedRange(r[0], r[1]) : { from: '', until: '' }, { replace: false })}
          />
        )}
      </Loaded>
      <Forecast exchange={exchange} environment={environment} />
    </>
  );
}

const refusedOf = ({ timestampRefusals, otherRefusals }: UsageSum) => timestampRefusals + otherRefusals;

interface FiguresProps {
  readonly buckets: readonly UsageBucket[];
  readonly range: TimeRange;
  readonly spanMs: number;
  readonly onRange: (range: readonly [number, number] | undefined) => void;
}

function Figures({ buckets, range, spanMs, onRange }: FiguresProps) {
  const all = sumOf(buckets);
  const looked = all.hits + all.misses;
  const plots = useMemo(() => {
    const spans = bySpan(buckets, range.fromMs, range.untilMs, spanMs);
    return {
      answered: answeredPlot(spans, range),
      saved: savedPlot(spans, range),
      failed: failedPlot(spans, range),
    };
  }, [buckets, range, spanMs]);
  return (
    <>
      <section class="tiles" aria-label="Figures">
        <h2 class="unseen">Figures</h2>
        <Tile
          label="Hit rate"
          value={looked === 0 ? '–' : share(all.hits / looked)}
          verdict={looked === 0 ? 'none' : all.hits / looked >= 0.8 ? 'good' : 'bad'}
        >
          {count(all.hits)} hits, {count(all.misses)} misses
        </Tile>
        <Tile label="Syncs saved" value={count(all.hits)}>
          {count(all.syncs)} were made, {count(all.syncFailures)} failed
        </Tile>
        <Tile label="Time saved" value={span(all.hits * SYNC_MS)}>
          at the design's 1 500 ms a sync
        </Tile>
        <Tile label="Stale" value={looked === 0 ? '–' : share(all.staleHits / Math.max(1, all.hits))}>
          {count(all.staleHits)} hits past their end, still good enough
        </Tile>
        <Tile
          label="Refused"
          value={count(refusedOf(all) + all.lateRequests)}
          verdict={refusedOf(all) > 0 ? 'bad' : all.lateRequests > 0 ? 'warn' : 'good'}
        >
          {count(all.lateRequests)} late, {count(refusedOf(all))} other · {count(all.unreachable)} unanswered
        </Tile>
      </section>
      <div class="plots">
        <Plot spec={plots.answered} onRange={onRange} height={20} />
      </div>
      <div class="plots small">
        <Plot spec={plots.saved} onRange={onRange} />
        <Plot spec={plots.failed} onRange={onRange} />
      </div>
    </>
  );
}

type Spans = ReturnType<typeof bySpan>;

const axes = (spans: Spans, { fromMs, untilMs }: TimeRange) => ({
  xLabel: 'UTC',
  xKind: 'time' as const,
  yKind: 'linear' as const,
  xs: spans.map(({ startMs }) => startMs),
  xRange: [Math.min(fromMs, spans[0]?.startMs ?? fromMs), untilMs] as const,
  yIncludes: [0],
});

/** Bars on top of each other; the tallest is drawn first. */
function stacked(parts: readonly { label: string; colour: Colour; figures: readonly number[] }[]): Series[] {
  const tops = new Array<number>(parts[0]?.figures.length ?? 0).fill(0);
  const series = parts.map(({ label, colour, figures }): Series => {
    const values = figures.map((figure, i) => {
      tops[i] = (tops[i] ?? 0) + figure;
      return tops[i] as number;
    });
    return { label, colour, kind: 'bars', values, figures };
  });
  return series.reverse();
}

function answeredPlot(spans: Spans, range: TimeRange): PlotSpec {
  const tiers = TIERS.map(([label, colour, figure]) => ({
    label,
    colour,
    figures: spans.map(({ sum }) => sum[figure]),
  })).filter(({ figures }) => figures.some(n => n > 0));
  return {
    title: 'Lookups, by what answered them',
    summary: `${spans.length} spans.`,
    yLabel: 'lookups',
    ...axes(spans, range),
    series: stacked([
      ...tiers,
      { label: 'miss', colour: 'miss', figures: spans.map(({ sum }) => sum.misses) },
    ]),
  };
}

const savedPlot = (spans: Spans, range: TimeRange): PlotSpec => ({
  title: 'Seconds saved',
  summary: 'Hits times 1 500 ms.',
  yLabel: 's',
  ...axes(spans, range),
  series: [
    {
      label: 'saved',
      colour: 'good',
      kind: 'bars',
      values: spans.map(({ sum }) => (sum.hits * SYNC_MS) / 1_000),
    },
  ],
});

const failedPlot = (spans: Spans, range: TimeRange): PlotSpec => ({
  title: 'What went wrong',
  summary: 'Refusals, lateness, failed syncs and requests that nobody answered.',
  yLabel: 'events',
  ...axes(spans, range),
  series: stacked([
    { label: 'refused', colour: 'wrong', figures: spans.map(({ sum }) => refusedOf(sum)) },
    { label: 'late', colour: 'late', figures: spans.map(({ sum }) => sum.lateRequests) },
    { label: 'sync failed', colour: 'rate', figures: spans.map(({ sum }) => sum.syncFailures) },
    { label: 'unreachable', colour: 'muted', figures: spans.map(({ sum }) => sum.unreachable) },
  ]),
});
