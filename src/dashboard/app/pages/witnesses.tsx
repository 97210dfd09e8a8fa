/** Machines whose word on the exchanges' clocks an operator does not take: whom others contradict, who is, and back again. */
import { useState } from 'preact/hooks';
import { machineIn, nameOf } from '../../../clock/witness.js';
import { distrust } from '../api/calls.js';
import type { Stats } from '../api/types.js';
import { Select } from '../parts/choices.js';
import { Confirm } from '../parts/confirm.js';
import { visible } from '../parts/id.js';
import { Badge } from '../parts/tile.js';
import { serviceNow } from '../state/service-time.js';
import { count, span } from '../state/words.js';
import { nameOfClock } from './clock-names.js';

interface WitnessPanelProps {
  readonly figures: Stats;
  readonly reload: () => void;
}

const SINCE_AGO_MS = {
  '': undefined,
  '1h': 3_600_000,
  '6h': 21_600_000,
  '24h': 86_400_000,
  '7d': 604_800_000,
};
type SinceName = keyof typeof SINCE_AGO_MS;
const SINCE: readonly (readonly [SinceName, string])[] = [
  ['', 'only from now on'],
  ['1h', 'since an hour'],
  ['6h', 'since 6 hours'],
  ['24h', 'since a day'],
  ['7d', 'since a week'],
];

export function WitnessPanel({ figures: { clocks }, reload }: WitnessPanelProps) {
  const contested = clocks.flatMap(clock => (clock.contested ? [{ clock, contest: clock.contested }] : []));
  const distrusted = new Map<string, { host: string; login: string | undefined; clocks: string[] }>();
  for (const clock of clocks) {
    for (const { host, login } of clock.distrusted) {
      const known = distrusted.get(JSON.stringify([host, login]));
      if (known) known.clocks.push(nameOfClock(clock));
      else distrusted.set(JSON.stringify([host, login]), { host, login, clocks: [nameOfClock(clock)] });
    }
  }
  return (
    <section>
      <div class="page-head">
        <h2>Machines</h2>
        <Distrust host="" reload={reload} />
      </div>
      {contested.length + distrusted.size === 0 ? (
        <p class="soft">No machine contradicts the others, and all are believed.</p>
      ) : (
        <ul class="facts">
          {contested.map(({ clock, contest: { rivalHost, forMs } }) => (
            <li key={nameOfClock(clock)}>
              <Badge verdict="bad">contested</Badge>
              <span>
                {nameOfClock(clock)}: {visible(rivalHost)} contradicts the others for {span(forMs)}
              </span>
              <Distrust host={nameOf(machineIn(rivalHost))} reload={reload} />
            </li>
          ))}
          {[...distrusted].map(([key, { host, login, clocks: by }]) => (
            <li key={key}>
              <Badge verdict="warn">not believed</Badge>
              <span>
                {visible(host)}
                {login !== undefined && <> of login {visible(login)}</>}, by {by.join(', ')}
              </span>
              <Confirm
                action="Believe again"
                onConfirm={async () => {
                  const { clocks: of } = await distrust({ host, login, undo: true });
                  reload();
                  return `Recorded for ${count(of)} shared clocks.`;
                }}
              >
                <p>What {visible(host)} measures from now on counts again. It is recorded with your name.</p>
              </Confirm>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

/** @param host left empty: the dialog asks */
function Distrust({ host: given, reload }: { readonly host: string; readonly reload: () => void }) {
  const [host, setHost] = useState(given);
  const [login, setLogin] = useState('');
  const [since, setSince] = useState<SinceName>('');
  return (
    <Confirm
      action="Distrust a machine"
      onConfirm={async () => {
        const agoMs = SINCE_AGO_MS[since];
        const { clocks } = await distrust({
          host,
          login: login === '' ? undefined : login,
          since: agoMs === undefined ? undefined : String(serviceNow() - agoMs),
        });
        reload();
        return clocks === 0
          ? 'No shared clock is known yet.'
          : `Recorded for ${count(clocks)} shared clocks.`;
      }}
    >
      <p>
        What it says of any shared clock counts for nothing from now on. With a time, what all have measured
        since is given up too, which costs one measurement a clock. It is recorded with your name, and can be
        undone.
      </p>
      <div class="filters">
        <label class="choice">
          <span>Machine</span>
          <input value={host} onInput={event => setHost(event.currentTarget.value)} autocomplete="off" />
        </label>
        <label class="choice">
          <span>Login (any)</span>
          <input value={login} onInput={event => setLogin(event.currentTarget.value)} autocomplete="off" />
        </label>
        <Select
          label="It lies"
          value={since}
          options={SINCE}
          onChange={value => setSince(value as SinceName)}
        />
      </div>
    </Confirm>
  );
}
