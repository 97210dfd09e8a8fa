/** One connector: why it has the offset it has, what happened to it, and what its state was at any moment. */
import { useMemo, useState } from 'preact/hooks';
import { inWords } from '../../../cli/commands/explain-text.js';
import { explanation, history, invalidate, stateAt } from '../api/calls.js';
import type { FeedEvent, StateAt } from '../api/types.js';
import type { PageProps } from '../app.js';
import { Confirm } from '../parts/confirm.js';
import { describe, nameOf } from '../parts/facts.js';
import { Id, visibleLines } from '../parts/id.js';
import { Empty, Failure, Loaded } from '../parts/states.js';
import { Badge } from '../parts/tile.js';
import { type Filters, useFilters } from '../state/address.js';
import { useLiveTick } from '../state/live.js';
import { useResource } from '../state/resource.js';
import { serviceNow } from '../state/service-time.js';
import { millis, plusMinus, ppm, span, utc } from '../state/words.js';

const PAGE = 50;

export default function Connector({ me }: PageProps) {
  const [filters, change] = useFilters();
  const { user = '', credential = '' } = filters;
  if (user === '' || credential === '') {
    return (
      <Empty title="Which connector?">This address names none: choose one from the list of connectors.</Empty>
    );
  }
  return (
    <Of
      key={JSON.stringify([user, credential])}
      user={user}
      credential={credential}
      filters={filters}
      change={change}
      isOperator={me.roles.includes('operator')}
    />
  );
}

interface OfProps {
  readonly user: string;
  readonly credential: string;
  readonly filters: Filters;
  readonly change: (to: Filters) => void;
  readonly isOperator: boolean;
}

function Of({ user, credential, filters, change, isOperator }: OfProps) {
  const tick = useLiveTick(
    ({ data }) => data === undefined || (data['userId'] === user && data['credentialId'] === credential),
  );
  const [kinds, setKinds] = useState<'all' | 'no-hits'>('all');
  const why = useResource('why', signal => explanation(user, credential, signal), tick);
  const facts = useResource(
    'facts',
    signal => history(user, credential, { order: 'newest', limit: PAGE }, signal),
    tick,
  );
  // Of what was never recorded there is no why, and nothing to condemn; and one failure is said once.
  const isKnown = facts.data ? facts.data.events.length > 0 : facts.failure === undefined;
  return (
    <>
      <header class="page-head">
        <h2>
          <Id text={user} /> <Id text={credential} soft />
        </h2>
        {isOperator && isKnown && (
          <Confirm
            action="Invalidate"
            onConfirm={async () => {
              const { syncId } = await invalidate(user, credential);
              facts.reload();
              why.reload();
              return `Condemned the sync ${syncId}.`;
            }}
          >
            <p>
              Condemns the sync that <Id text={user} /> <Id text={credential} /> rests on, for everybody at
              once. Its next init starts from the exchange's shared clock, or measures. It is recorded with
              your name.
            </p>
          </Confirm>
        )}
      </header>
      {isKnown && (
        <section>
          <h2>Why it has the offset it has</h2>
          <Loaded of={why}>
            {found => <pre class="words">{visibleLines(inWords(user, credential, found))}</pre>}
          </Loaded>
        </section>
      )}
      <Loaded
        of={facts}
        isEmpty={({ events }) => events.length === 0}
        empty={<Empty title="Nothing is recorded">No fact names this connector.</Empty>}
      >
        {page => (
          <>
            <TimeSlider
              user={user}
              credential={credential}
              events={page.events}
              filters={filters}
              change={change}
            />
            <section>
              <div class="page-head">
                <h2>What happened</h2>
                <label>
                  <input
                    type="checkbox"
                    checked={kinds === 'no-hits'}
                    onChange={event => setKinds(event.currentTarget.checked ? 'no-hits' : 'all')}
                  />{' '}
                  without hits
                </label>
              </div>
              <Timeline
                key={page.events[0]?.id}
                user={user}
                credential={credential}
                start={page.events}
                next={page.next}
                hasHits={kinds === 'all'}
                onMoment={atMs => change({ at: new Date(atMs).toISOString() })}
              />
            </section>
          </>
        )}
      </Loaded>
    </>
  );
}

interface TimelineProps {
  readonly user: string;
  readonly credential: string;
  readonly start: readonly FeedEvent[];
  readonly next: string | undefined;
  readonly hasHits: boolean;
  readonly onMoment: (atMs: number) => void;
}

function Timeline({ user, credential, start, next, hasHits, onMoment }: TimelineProps) {
  const [loaded, setLoaded] = useState({ events: start, next });
  const [problem, setProblem] = useState('');
  const older = async () => {
    setProblem('');
    try {
      const page = await history(user, credential, {
        order: 'newest',
        limit: PAGE,
        cursor: loaded.next,
      });
      setLoaded(before => ({ events: [...before.events, ...page.events], next: page.next }));
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
    }
  };
  return (
    <>
      <ol class="facts">
        {loaded.events
          .filter(({ type }) => hasHits || type !== 'ConnectorStateHit')
          .map(event => {
            const [name, verdict] = nameOf(event);
            return (
              <li key={event.id}>
                <button
                  type="button"
                  class="quiet"
                  title="The state at this moment"
                  onClick={() => onMoment(event.recordedAt)}
                >
                  <time dateTime={new Date(event.recordedAt).toISOString()}>{utc(event.recordedAt)}</time>
                </button>
                <Badge verdict={verdict}>{name}</Badge>
                <span>{describe(event)}</span>
              </li>
            );
          })}
      </ol>
      {problem !== '' && <p role="alert">{problem}</p>}
      {loaded.next !== undefined && (
        <button type="button" onClick={() => void older()}>
          Older
        </button>
      )}
    </>
  );
}

interface SliderProps {
  readonly user: string;
  readonly credential: string;
  readonly events: readonly FeedEvent[];
  readonly filters: Filters;
  readonly change: (to: Filters) => void;
}

function TimeSlider({ user, credential, events, filters, change }: SliderProps) {
  const now = serviceNow();
  const wanted = Date.parse(filters['at'] ?? '');
  const latest = events[0]?.recordedAt ?? now;
  const earliest = Math.min(events.at(-1)?.recordedAt ?? latest, Number.isNaN(wanted) ? latest : wanted);
  const atMs = Number.isNaN(wanted) ? latest : wanted;
  const state = useResource(`at ${atMs}`, signal => stateAt(user, credential, atMs, signal));
  const set = (ms: number) => change({ at: new Date(ms).toISOString() });
  const { before, after } = useMemo(
    () => ({
      before: events.find(({ recordedAt }) => recordedAt < atMs)?.recordedAt,
      after: events.findLast(({ recordedAt }) => recordedAt > atMs)?.recordedAt,
    }),
    [events, atMs],
  );
  return (
    <section>
      <h2>Its state as it was</h2>
      <div class="slider">
        <button
          type="button"
          disabled={before === undefined}
          onClick={() => before !== undefined && set(before)}
        >
          ‹ fact
        </button>
        <label>
          <span class="unseen">Moment</span>
          <input
            type="range"
            min={earliest}
            max={Math.max(latest, earliest + 1)}
            step={1}
            value={atMs}
            aria-valuetext={`${utc(atMs)} UTC`}
            onChange={event => set(Number(event.currentTarget.value))}
          />
        </label>
        <button
          type="button"
          disabled={after === undefined}
          onClick={() => after !== undefined && set(after)}
        >
          fact ›
        </button>
        <output>{utc(atMs)} UTC</output>
      </div>
      {state.failure?.kind === 'not-found' ? (
        <p class="soft">It had no state then.</p>
      ) : state.failure && state.failure.kind !== 'unauthenticated' && state.data === undefined ? (
        <Failure failure={state.failure} reload={state.reload} />
      ) : (
        <Loaded of={state}>
          {data => <Arithmetic state={data} atMs={atMs} rate={rateOf(data, events)} />}
        </Loaded>
      )}
    </section>
  );
}

/** The bound that is assumed while no rate is measured: src/clock/offset.ts. */
const ASSUMED_PPM = 50;
const TOLERANCE_MS = 2_000;

interface Rate {
  readonly ratePpm: number;
  readonly boundPpm: number;
  readonly isMeasured: boolean;
}

/** What the measurement that the state rests on knew of the rate. */
function rateOf({ syncId }: StateAt, events: readonly FeedEvent[]): Rate {
  const sync = events.find(({ type, data }) => type === 'ConnectorSynced' && data?.['syncId'] === syncId);
  const { ratePpm, rateBoundPpm } = sync?.data ?? {};
  if (typeof ratePpm === 'number' && typeof rateBoundPpm === 'number')
    return { ratePpm, boundPpm: rateBoundPpm, isMeasured: true };
  return { ratePpm: 0, boundPpm: ASSUMED_PPM, isMeasured: false };
}

interface ArithmeticProps {
  readonly state: StateAt;
  readonly atMs: number;
  readonly rate: Rate;
}

function Arithmetic({ state, atMs, rate }: ArithmeticProps) {
  const ageMs = Math.max(0, atMs - state.measuredAtMs);
  const { ratePpm, boundPpm, isMeasured } = rate;
  const grown = state.uncertaintyMs + (ageMs * boundPpm) / 1e6;
  const moved = state.offsetMs + (ageMs * ratePpm) / 1e6;
  return (
    <dl class="pairs">
      <dt>Then</dt>
      <dd>
        <Badge verdict={state.isUsable ? 'good' : state.isValid ? 'none' : 'bad'}>
          {state.isUsable
            ? 'usable'
            : state.isValid
              ? 'ended'
              : `condemned (${state.invalidReason ?? 'no reason'})`}
        </Badge>{' '}
        {state.hitCount} hits, sync <code>{state.syncId}</code>
      </dd>
      <dt>Measured</dt>
      <dd>
        {utc(state.measuredAtMs)} UTC: {plusMinus(state.offsetMs, state.uncertaintyMs)} against{' '}
        <code>{state.referenceClock}</code>
      </dd>
      <dt>Age</dt>
      <dd>{span(ageMs)}</dd>
      <dt>Rate</dt>
      <dd>{isMeasured ? ppm(ratePpm, boundPpm) : `not known then; taken as 0 ± ${boundPpm} ppm`}</dd>
      <dt>Offset</dt>
      <dd>
        {millis(state.offsetMs)} + {ratePpm.toFixed(2)} ppm × {span(ageMs)} = <b>{millis(moved)}</b>
      </dd>
      <dt>Bound</dt>
      <dd>
        {millis(state.uncertaintyMs)} + {boundPpm.toFixed(2)} ppm × {span(ageMs)} = <b>± {millis(grown)}</b>
      </dd>
      <dt>To refusal</dt>
      <dd>
        {millis(TOLERANCE_MS)} − {millis(grown)} = <b>{millis(TOLERANCE_MS - grown)}</b>
      </dd>
      <dt>Ends</dt>
      <dd>
        {utc(state.expiresAtMs)} UTC (
        {state.expiresAtMs > atMs
          ? `${span(state.expiresAtMs - atMs)} later`
          : `${span(atMs - state.expiresAtMs)} before`}
        )
      </dd>
    </dl>
  );
}
