/**
 * When each exchange's clock is likely to be used next, from its habit so far; and the last seven days, as they came, beside
 * what was to be expected of them. Uses are counted by exchange and environment, so these stand together.
 */
import { useMemo } from 'preact/hooks';
import { forecastOfClocks, usage } from '../api/calls.js';
import type { ClockForecasts, UsageBucket } from '../api/types.js';
import { expectedPlot, pastPlot } from '../charts/expected-plot.js';
import { Plot } from '../charts/plot.js';
import { Loaded } from '../parts/states.js';
import { useResource } from '../state/resource.js';
import { ago, share } from '../state/words.js';
import { nameOfClock } from './clock-names.js';

interface ForecastProps {
  readonly exchange: string;
  readonly environment: string;
}

export function Forecast({ exchange, environment }: ForecastProps) {
  const all = useResource(JSON.stringify(['forecast', exchange, environment]), async signal => {
    const [forecast, { buckets }] = await Promise.all([
      forecastOfClocks({ exchange, environment }, signal),
      usage({ exchange, environment, from: '7d', bucketMs: HOUR_MS }, signal),
    ]);
    return { ...forecast, buckets };
  });
  return (
    <section>
      <h2>What to expect</h2>
      <Loaded
        of={all}
        isEmpty={({ clocks }) => clocks.length === 0}
        empty={<p class="soft">No use is known that a forecast could be made of.</p>}
      >
        {data => <Figures {...data} />}
      </Loaded>
    </section>
  );
}

type Known = ClockForecasts & { readonly buckets: readonly UsageBucket[] };

const HOUR_MS = 3_600_000;

function pastPlots({ clocks, buckets, nowMs }: Known) {
  const places = new Map<string, ClockForecasts['clocks'][number][]>();
  for (const clock of clocks) {
    const name = `${clock.exchange} ${clock.environment}`;
    places.set(name, [...(places.get(name) ?? []), clock]);
  }
  return [...places].flatMap(([name, ofPlace]) => {
    const came = new Map<number, number>();
    for (const { startMs, exchange, environment, hits, misses } of buckets) {
      if (`${exchange} ${environment}` !== name) continue;
      const hour = Math.floor(startMs / HOUR_MS) * HOUR_MS;
      came.set(hour, (came.get(hour) ?? 0) + hits + misses);
    }
    return pastPlot(name, ofPlace, came, nowMs) ?? [];
  });
}

function Figures(known: Known) {
  const { clocks, buckets, nowMs } = known;
  const plots = useMemo(
    () => [
      ...clocks.map(clock => expectedPlot(nameOfClock(clock), clock.weekUses, nowMs)),
      ...pastPlots(known),
    ],
    [clocks, buckets, nowMs],
  );
  return (
    <>
      <div class="scroll" tabIndex={0} role="region" aria-label="What to expect">
        <table>
          <thead>
            <tr>
              <th scope="col">Clock</th>
              <th scope="col" class="num">
                Used within the hour
              </th>
              <th scope="col">Next use as likely before as after</th>
              <th scope="col">Told from</th>
            </tr>
          </thead>
          <tbody>
            {clocks.map(clock => (
              <tr key={nameOfClock(clock)}>
                <th scope="row">{nameOfClock(clock)}</th>
                <td class="num">{share(clock.probability)}</td>
                <td>
                  {clock.likelyAtMs === null
                    ? 'it has lain longer than ever before'
                    : ago(clock.likelyAtMs, nowMs)}
                </td>
                <td>{clock.basis === 'history' ? 'its habit' : 'its mean: too little is known'}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <div class="plots small">
        {plots.map(plot => (
          <Plot key={plot.title} spec={plot} />
        ))}
      </div>
    </>
  );
}
