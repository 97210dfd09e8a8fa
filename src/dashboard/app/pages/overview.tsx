/** Is it well? The figures that the design promises, what the clocks say now, and what happened in the last hour. */
import { Link } from 'wouter-preact';
import { overview } from '../api/calls.js';
import type { Activity, OverviewFigures, Stats } from '../api/types.js';
import { describe, nameOf, whoseIs } from '../parts/facts.js';
import { Id } from '../parts/id.js';
import { Empty, Loaded } from '../parts/states.js';
import { Badge, Tile, type Verdict } from '../parts/tile.js';
import { linkTo } from '../state/address.js';
import { useLiveTick, useNow } from '../state/live.js';
import { useResource } from '../state/resource.js';
import { ago, count, millis, plusMinus, share, span, utc } from '../state/words.js';
import { clockLink, nameOfClock } from './clock-names.js';
import { sumOf } from './usage-sums.js';

/** The design's: hit rate, and the time of an init. */
const TARGET = { hitRate: 0.8, goodHitRate: 0.999, initMs: 500 } as const;

export default function Overview() {
  const tick = useLiveTick();
  const all = useResource('overview', overview, tick);
  return (
    <Loaded
      of={all}
      isEmpty={({ stats, usage }) => stats.total === 0 && stats.clocks.length === 0 && usage.length === 0}
      empty={
        <Empty title="Nothing has been recorded yet">
          As soon as a connector has initialised, its facts are here. <code>connector-state demo</code> shows
          what that looks like.
        </Empty>
      }
    >
      {data => (
        <>
          <Figures {...data} />
          <LastHour {...data.activity} />
        </>
      )}
    </Loaded>
  );
}

function Figures({ stats: figures, usage, roundTrips, projections: progress }: OverviewFigures) {
  const used = sumOf(usage);
  const looked = used.hits + used.misses;
  const rate = used.hits / looked;
  const { roundTripMedianMs: median, roundTripP99Ms: p99 } = roundTrips;
  const refused = used.timestampRefusals + used.otherRefusals;
  const contested = figures.clocks.filter(clock => clock.contested !== null || !clock.isValid);
  const { outbox } = figures;
  return (
    <>
      <section aria-label="Figures" class="tiles">
        <h2 class="unseen">Figures</h2>
        <Tile
          label="Hit rate, 24 h"
          value={looked === 0 ? '–' : share(rate)}
          verdict={looked === 0 ? 'none' : rate >= TARGET.hitRate ? 'good' : 'bad'}
        >
          {rate >= TARGET.goodHitRate ? 'above 99.9 %' : 'wanted: 80 %, better 99.9 %'} · {count(looked)}{' '}
          lookups
        </Tile>
        <Tile
          label="First signed request, last hour"
          value={millis(median)}
          verdict={
            median === null || p99 === null
              ? 'none'
              : p99 <= TARGET.initMs
                ? 'good'
                : median <= TARGET.initMs
                  ? 'warn'
                  : 'bad'
          }
        >
          p99 {millis(p99)} · wanted: an init within 500 ms
        </Tile>
        <Tile label="Refused as wrong, 24 h" value={count(refused)} verdict={refused === 0 ? 'good' : 'bad'}>
          for their clock, key or rights
        </Tile>
        <Tile
          label="Refused as late, 24 h"
          value={count(used.lateRequests)}
          verdict={used.lateRequests === 0 ? 'good' : 'warn'}
        >
          the clock was right, the way too slow
        </Tile>
        <Tile
          label="Contested clocks"
          value={`${contested.length} of ${figures.clocks.length}`}
          verdict={contested.length === 0 ? 'good' : 'bad'}
        >
          {contested.length === 0 ? 'all hosts agree' : contested.map(nameOfClock).join(', ')}
        </Tile>
        {progress && (
          <Tile
            label="Projector lag"
            value={`${count(progress.events)} events`}
            verdict={progress.seconds < 5 ? 'good' : progress.seconds < 60 ? 'warn' : 'bad'}
          >
            {progress.events === 0 ? 'up to date' : `${span(progress.seconds * 1_000)} behind`}
            {progress.deadLetters > 0 && ` · ${progress.deadLetters} dead letters`}
          </Tile>
        )}
        <Tile
          label="Outbox"
          value={count(outbox.waiting)}
          verdict={outbox.dead > 0 ? 'bad' : outbox.waitingSeconds > 60 ? 'warn' : 'good'}
        >
          {outbox.waiting === 0 ? 'nothing waits' : `the oldest for ${span(outbox.waitingSeconds * 1_000)}`}
          {outbox.dead > 0 && ` · ${outbox.dead} dead`}
        </Tile>
        <Tile label="States" value={count(figures.valid)}>
          valid · {count(figures.expired)} ended · {count(figures.invalid)} condemned
        </Tile>
      </section>
      <section>
        <h2>Clocks now</h2>
        {figures.clocks.length === 0 ? (
          <p class="soft">No exchange's clock has been measured against this database yet.</p>
        ) : (
          <ClockTable clocks={figures.clocks} />
        )}
      </section>
    </>
  );
}

const ClockTable = ({ clocks }: { readonly clocks: Stats['clocks'] }) => (
  <div class="scroll" tabIndex={0} role="region" aria-label="Clocks now">
    <table>
      <thead>
        <tr>
          <th scope="col">Clock</th>
          <th scope="col" class="num">
            Exchange − database
          </th>
          <th scope="col" class="num">
            To refusal
          </th>
          <th scope="col" class="num">
            Epoch
          </th>
          <th scope="col" class="num">
            Samples
          </th>
          <th scope="col">State</th>
        </tr>
      </thead>
      <tbody>
        {clocks.map(clock => {
          const [verdict, text] = stateOfClock(clock);
          return (
            <tr key={nameOfClock(clock)}>
              <th scope="row">
                <Link href={clockLink(clock)}>{nameOfClock(clock)}</Link>
              </th>
              <td class="num">{plusMinus(clock.offsetMs, clock.uncertaintyMs)}</td>
              <td class="num">{millis(clock.distanceToRefusalMs)}</td>
              <td class="num">{clock.epoch}</td>
              <td class="num">{count(clock.samples)}</td>
              <td>
                <Badge verdict={verdict}>{text}</Badge>
              </td>
            </tr>
          );
        })}
      </tbody>
    </table>
  </div>
);

function stateOfClock({
  contested,
  isValid,
  hasEnded,
  distrusted,
}: Stats['clocks'][number]): [Verdict, string] {
  if (!isValid) return ['bad', 'condemned'];
  if (contested) return ['bad', `contested by ${contested.rivalHost} for ${span(contested.forMs)}`];
  if (hasEnded) return ['warn', 'past its end'];
  if (distrusted.length > 0) return ['warn', `${distrusted.length} not believed`];
  return ['good', 'agreed'];
}

function LastHour({ elsewhere, events }: Activity) {
  const now = useNow(10_000);
  return (
    <section>
      <h2>What changed in the last hour</h2>
      {events.length === 0 && (
        <p class="soft">
          {elsewhere
            ? 'Not to be told here: the facts lie in an event store of their own. `connector-state tail` follows them.'
            : 'Nothing but hits.'}
        </p>
      )}
      <ol class="facts">
        {events.map(event => {
          const [name, verdict] = nameOf(event);
          const who = whoseIs(event);
          return (
            <li key={event.id}>
              <time
                dateTime={new Date(event.recordedAt).toISOString()}
                title={`${utc(event.recordedAt)} UTC`}
              >
                {ago(event.recordedAt, now)}
              </time>
              <Badge verdict={verdict}>{name}</Badge>
              <span>
                {who && (
                  <Link href={linkTo('/connector', { user: who.userId, credential: who.credentialId })}>
                    <Id text={who.userId} /> <Id text={who.credentialId} />
                  </Link>
                )}{' '}
                {describe(event)}
              </span>
            </li>
          );
        })}
      </ol>
    </section>
  );
}
