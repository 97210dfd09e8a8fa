/** When each exchange's clock is likely to be used next, from its habit so far: what a forecast is made of. */
import { useMemo } from 'preact/hooks';
import { forecastOfClocks } from '../api/calls.js';
import type { ClockForecasts } from '../api/types.js';
import { expectedPlot } from '../charts/expected-plot.js';
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
  const all = useResource(JSON.stringify(['forecast', exchange, environment]), signal =>
    forecastOfClocks({ exchange, environment }, signal),
  );
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

function Figures({ clocks, nowMs }: ClockForecasts) {
  const plots = useMemo(
    () => clocks.map(clock => expectedPlot(nameOfClock(clock), clock.weekUses, nowMs)),
    [clocks, nowMs],
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
