/** One exchange's clock as all who measured it saw it: which, when, and by whom is in the address. */
import { useMemo } from 'preact/hooks';
import { Link } from 'wouter-preact';
import { activity, clocks, refusals, samples, stats, usage } from '../api/calls.js';
import type {
  Drift,
  DriftLine,
  FeedEvent,
  Refusals,
  Samples,
  SharedClock,
  UsageBucket,
} from '../api/types.js';
import {
  allanPlot,
  distancePlot,
  offsetPlot,
  ratePlot,
  stabilityOfLine,
  timeDeviationPlot,
  wedgePlot,
} from '../charts/clock-plots.js';
import { Plot } from '../charts/plot.js';
import { ExchangeChoice, RangeChoice, Select } from '../parts/choices.js';
import { Id } from '../parts/id.js';
import { Empty, Loaded } from '../parts/states.js';
import { Badge } from '../parts/tile.js';
import { linkTo, useFilters } from '../state/address.js';
import { useLiveTick } from '../state/live.js';
import { asked, fixedRange, rangeIn, type TimeRange } from '../state/range.js';
import { useResource } from '../state/resource.js';
import { serviceAheadMs, serviceNow } from '../state/service-time.js';
import { count, millis, plusMinus, ppm, span, utc } from '../state/words.js';
import { nameOfClock } from './clock-names.js';

const MOST_SAMPLES = 2_000;
const HOUR_MS = 3_600_000;
/** As the counts are kept, and as many as can be told apart. */
const usageBucketMs = ({ fromMs, untilMs }: TimeRange) =>
  untilMs - fromMs > 14 * 24 * HOUR_MS ? 24 * HOUR_MS : HOUR_MS;

interface Data {
  readonly drift: Drift;
  readonly samples: Samples;
  readonly refusals: Refusals;
  readonly clocks: readonly SharedClock[];
  readonly edges: readonly FeedEvent[];
  /** By the hour; told where the single refusals are not. */
  readonly usage: readonly UsageBucket[];
}

export default function Clocks() {
  const [filters, change] = useFilters();
  const { exchange = '', environment = '', scope = '', host = '' } = filters;
  const tick = useLiveTick(event => event.type !== 'ConnectorStateHit');
  const range = useMemo(
    () => rangeIn(filters, serviceNow()),
    [filters['range'], filters['from'], filters['until'], tick, serviceAheadMs.value],
  );
  const key = JSON.stringify([
    exchange,
    environment,
    scope,
    host,
    filters['range'],
    filters['from'],
    filters['until'],
  ]);
  const all = useResource(
    key,
    async (signal): Promise<Data> => {
      const place = { exchange, environment, scope };
      const time = asked(range);
      const [d, s, r, now, edges] = await Promise.all([
        clocks({ ...place, ...time, host, by: host === '' ? 'exchange' : 'host' }, signal),
        samples({ ...place, ...time, machine: host, limit: MOST_SAMPLES }, signal),
        refusals({ ...place, ...time, limit: 1_000 }, signal),
        // Statistics are everybody's together; a tenant's key may not ask.
        stats(signal).catch(() => undefined),
        activity({ from: time.from, type: 'ExchangeEdgeMeasured', limit: 20 }, signal).catch(() => undefined),
      ]);
      const used = r.elsewhere
        ? await usage({ exchange, environment, ...time, bucketMs: usageBucketMs(range) }, signal)
            // Counts of everybody together, too.
            .catch(() => undefined)
        : undefined;
      return {
        drift: d,
        samples: s,
        refusals: r,
        clocks: now?.clocks ?? [],
        edges: edges?.events ?? [],
        usage: used?.buckets ?? [],
      };
    },
    tick,
  );
  const scopes = [
    ...new Set([...(all.data?.clocks ?? []), ...(all.data?.drift.lines ?? [])].map(each => each.scope)),
  ];
  const hosts = [...new Set(all.data?.samples.samples.map(sample => sample.machine) ?? [])].sort();
  return (
    <>
      <form class="filters" onSubmit={event => event.preventDefault()}>
        <ExchangeChoice filters={filters} change={change} />
        <Select
          label="Scope"
          value={scope}
          options={[['', 'all'], ...scopes.map(name => [name, name] as const)]}
          onChange={value => change({ scope: value })}
        />
        <Select
          label="Seen by"
          value={host}
          options={[['', 'all machines'], ...hosts.map(name => [name, name] as const)]}
          onChange={value => change({ host: value })}
        />
        <RangeChoice range={range} change={change} />
      </form>
      <Loaded
        of={all}
        isEmpty={data => data.drift.lines.length === 0}
        empty={
          <Empty title="No clock was measured in this range">
            Choose a longer one, or another exchange. Every sync and every answer that carries the exchange's
            time is a sample.
          </Empty>
        }
      >
        {data =>
          data.drift.lines.map(line => (
            <ClockOf
              key={`${nameOfClock(line)} ${line.host ?? ''} ${line.referenceClock ?? ''}`}
              line={line}
              data={data}
              onRange={r => change(r ? fixedRange(r[0], r[1]) : { from: '', until: '' }, { replace: false })}
            />
          ))
        }
      </Loaded>
    </>
  );
}

interface ClockProps {
  readonly line: DriftLine;
  readonly data: Data;
  readonly onRange: (range: readonly [number, number] | undefined) => void;
}

function ClockOf({ line, data, onRange }: ClockProps) {
  const isThis = (place: { exchange?: unknown; environment?: unknown; scope?: unknown }) =>
    place.exchange === line.exchange && place.environment === line.environment && place.scope === line.scope;
  const plots = useMemo(() => {
    const its = data.samples.samples.filter(isThis);
    const refused = data.refusals.refusals.filter(isThis);
    const counted = data.usage.filter(isThis);
    const stability = stabilityOfLine(line, data.drift);
    return {
      offset: offsetPlot(line, data.drift, its),
      distance: distancePlot(line, data.drift, refused, data.refusals.toleranceMs, counted),
      rate: ratePlot(line, data.drift),
      allan: allanPlot(stability),
      time: timeDeviationPlot(stability),
      wedge: wedgePlot(line, data.drift, its),
      refused,
    };
  }, [line, data]);
  const now = data.clocks.find(isThis);
  const edge = data.edges.find(
    ({ data: fact }) => fact?.['exchange'] === line.exchange && fact['environment'] === line.environment,
  );
  return (
    <section class="clock">
      <h2>
        {nameOfClock(line)}
        {line.host && <> seen by {line.host}</>}
      </h2>
      <Facts line={line} now={now} edge={edge} />
      <div class="plots">
        <Plot spec={plots.offset} onRange={onRange} height={20} />
        <Plot spec={plots.distance} onRange={onRange} />
      </div>
      <div class="plots small">
        <Plot spec={plots.rate} onRange={onRange} />
        <Plot spec={plots.wedge} />
        {plots.allan.xs.length > 1 && <Plot spec={plots.allan} />}
        {plots.time.xs.length > 1 && <Plot spec={plots.time} />}
      </div>
      {line.steps.length > 0 && <Steps line={line} />}
      {plots.refused.length > 0 && <Refused refused={plots.refused} />}
      {data.refusals.elsewhere && (
        <p class="soft">
          The facts lie in an event store of their own: refusals are counted here (dashed lines, by the hour
          or day, of all scopes of this exchange), and told one by one by the connector's page.
        </p>
      )}
    </section>
  );
}

function Facts({
  line,
  now,
  edge,
}: {
  readonly line: DriftLine;
  readonly now: SharedClock | undefined;
  readonly edge: FeedEvent | undefined;
}) {
  const { rate, isMeasured } = line.drift;
  return (
    <dl class="pairs">
      {now && (
        <>
          <dt>Now</dt>
          <dd>
            {plusMinus(now.offsetMs, now.uncertaintyMs)}, epoch {now.epoch}{' '}
            {now.contested ? (
              <Badge verdict="bad">
                contested by {now.contested.rivalHost} for {span(now.contested.forMs)}
                {now.contested.apartMs !== null && `, ${millis(now.contested.apartMs)} apart`}
              </Badge>
            ) : (
              <Badge verdict={now.isValid ? 'good' : 'bad'}>{now.isValid ? 'agreed' : 'condemned'}</Badge>
            )}
          </dd>
          {now.distrusted.length > 0 && (
            <>
              <dt>Not believed</dt>
              <dd>
                {now.distrusted.map(({ host, login }) => (login ? `${login}/${host}` : host)).join(', ')}
              </dd>
            </>
          )}
        </>
      )}
      <dt>Rate</dt>
      <dd>
        {isMeasured ? ppm(rate.ratePpm, rate.boundPpm) : `not known yet; taken as 0 ± ${rate.boundPpm} ppm`}
      </dd>
      <dt>Measured</dt>
      <dd>
        {count(line.samples)} {line.samples === 1 ? 'sample' : 'samples'} by {line.hosts}{' '}
        {line.hosts === 1 ? 'machine' : 'machines'}, round trips from {millis(line.roundTripMinMs)}, median{' '}
        {millis(line.roundTripMedianMs)}
      </dd>
      <dt>Edge − exchange</dt>
      <dd>
        {edge
          ? `${plusMinus(Number(edge.data?.['aheadMs']), Number(edge.data?.['uncertaintyMs']))}, told ${utc(edge.recordedAt)} UTC`
          : 'no edge was certainly apart (more than 100 ms) in this range'}
      </dd>
    </dl>
  );
}

const Steps = ({ line }: { readonly line: DriftLine }) => (
  <details>
    <summary>
      {line.steps.length} {line.steps.length === 1 ? 'step' : 'steps'}
    </summary>
    <ul>
      {line.steps.map(({ afterMs, atMs, byMs, hosts }) => (
        <li key={atMs}>
          between {utc(afterMs)} and {utc(atMs)} UTC{byMs === null ? '' : `, by ${millis(byMs)}`}, seen by{' '}
          {hosts}
        </li>
      ))}
    </ul>
  </details>
);

const Refused = ({ refused }: { readonly refused: Refusals['refusals'] }) => (
  <details>
    <summary>
      {refused.length} {refused.length === 1 ? 'refusal' : 'refusals'}
    </summary>
    <ul>
      {refused
        .slice(0, 100)
        .map(({ atMs, kind, exchangeCode, failureClass, lateAtLeastMs, userId, credentialId }) => (
          <li key={`${atMs} ${userId} ${credentialId}`}>
            {utc(atMs)} UTC{' '}
            <Link
              href={linkTo('/connector', {
                user: userId,
                credential: credentialId,
                at: new Date(atMs).toISOString(),
              })}
            >
              <Id text={userId} /> <Id text={credentialId} />
            </Link>{' '}
            {kind}: {exchangeCode} ({failureClass})
            {lateAtLeastMs !== null && `, at least ${span(lateAtLeastMs)} late`}
          </li>
        ))}
    </ul>
  </details>
);
