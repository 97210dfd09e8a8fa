/** What only operators do. What is shown here is for their convenience: whether it may be done, the service decides. */
import type { ComponentChildren } from 'preact';
import { useEffect } from 'preact/hooks';
import {
  cleanUp,
  deadLetters,
  dismiss,
  jobs,
  projectionsNow,
  rebuild,
  relay,
  replay,
  statsNow,
} from '../api/calls.js';
import type { DeadLetter, Job, Projections, Stats } from '../api/types.js';
import { Confirm } from '../parts/confirm.js';
import { visible } from '../parts/id.js';
import { Loaded } from '../parts/states.js';
import { Badge } from '../parts/tile.js';
import { useLiveTick } from '../state/live.js';
import { useResource } from '../state/resource.js';
import { count, span, utc } from '../state/words.js';
import { WitnessPanel } from './witnesses.js';

interface Data {
  readonly figures: Stats;
  readonly progress: Projections;
  readonly letters: readonly DeadLetter[];
  readonly jobs: readonly Job[];
}

/** While something is under way, its progress is asked for. */
const PROGRESS_EVERY_MS = 1_000;

export default function Operations() {
  const tick = useLiveTick();
  const all = useResource(
    'operations',
    async (signal): Promise<Data> => {
      const [figures, progress, letters, work] = await Promise.all([
        statsNow(signal),
        projectionsNow(signal),
        deadLetters(signal),
        jobs(signal),
      ]);
      return { figures, progress, letters: letters.deadLetters, jobs: work.jobs };
    },
    tick,
  );
  const isUnderWay = all.data?.jobs.some(({ state }) => state === 'running') ?? false;
  useEffect(() => {
    if (!isUnderWay) return;
    const timer = setInterval(all.reload, PROGRESS_EVERY_MS);
    return () => clearInterval(timer);
  }, [isUnderWay]);
  const then = async (work: Promise<unknown>, text: string) => {
    await work;
    all.reload();
    return text;
  };
  return (
    <Loaded of={all}>
      {data => (
        <>
          <ProjectionPanel {...data} isUnderWay={isUnderWay} then={then} />
          <LetterPanel {...data} isUnderWay={isUnderWay} then={then} />
          <OutboxPanel {...data} then={then} />
          <WitnessPanel {...data} reload={all.reload} />
          <CleanUpPanel {...data} reload={all.reload} />
        </>
      )}
    </Loaded>
  );
}

type Then = (work: Promise<unknown>, text: string) => Promise<string>;

const Head = ({ title, children }: { readonly title: string; readonly children: ComponentChildren }) => (
  <div class="page-head">
    <h2>{title}</h2>
    {children}
  </div>
);

function ProjectionPanel({ progress, jobs, isUnderWay, then }: Data & { isUnderWay: boolean; then: Then }) {
  return (
    <section>
      <Head title="Projections">
        <Confirm
          action="Rebuild"
          disabled={isUnderWay}
          onConfirm={() => then(rebuild(), 'Begun: its progress is below.')}
        >
          <p>
            Folds every event anew beside the live tables, then puts the difference into them in one
            transaction. Lookups go on meanwhile. It takes as long as the log is long.
          </p>
        </Confirm>
      </Head>
      <div class="scroll" tabIndex={0} role="region" aria-label="Projections">
        <table>
          <thead>
            <tr>
              <th scope="col">Projection</th>
              <th scope="col" class="num">
                Events behind
              </th>
              <th scope="col" class="num">
                Lag
              </th>
              <th scope="col">Position</th>
              <th scope="col" class="num">
                Dead letters
              </th>
            </tr>
          </thead>
          <tbody>
            {progress.projections.map(({ name, events, seconds, position, deadLetters: dead }) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                <td class="num">{count(events)}</td>
                <td class="num">{events === 0 ? 'none' : span(seconds * 1_000)}</td>
                <td>
                  <code>{position ?? 'none yet'}</code>
                </td>
                <td class="num">
                  <Badge verdict={dead === 0 ? 'good' : 'bad'}>{dead}</Badge>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {jobs.length > 0 && <Jobs jobs={jobs} />}
    </section>
  );
}

const JOB_VERDICT = { running: 'warn', done: 'good', failed: 'bad' } as const;

const Jobs = ({ jobs }: Pick<Data, 'jobs'>) => (
  <>
    <h3>Work begun by operators</h3>
    <ol class="facts">
      {jobs.slice(0, 10).map(({ id, kind, by, startedAtMs, state, progress, endedAtMs, error }) => (
        <li key={id}>
          <time dateTime={new Date(startedAtMs).toISOString()}>{utc(startedAtMs)}</time>
          <Badge verdict={JOB_VERDICT[state]}>{state === 'running' ? 'under way' : state}</Badge>
          <span>
            {kind} by {visible(by)}
            {endedAtMs !== null && `, took ${span(endedAtMs - startedAtMs)}`}
            {error && `: ${error.detail}`}
            {state === 'running' && progress && (
              <>
                {' '}
                <progress
                  value={progress.done}
                  max={Math.max(1, progress.total)}
                  aria-label={`Progress of ${kind}`}
                />{' '}
                {count(progress.done)} of {count(progress.total)}
              </>
            )}
          </span>
        </li>
      ))}
    </ol>
  </>
);

function LetterPanel({ letters, isUnderWay, then }: Data & { isUnderWay: boolean; then: Then }) {
  return (
    <section>
      <Head title="Dead letters">
        <Confirm
          action="Replay"
          disabled={letters.length === 0 || isUnderWay}
          onConfirm={() => then(replay(), 'Begun: its progress is above.')}
        >
          <p>
            Rebuilds the projections that have dead letters, for an event belongs at its own place in the
            fold. What still cannot be folded stays here.
          </p>
        </Confirm>
      </Head>
      {letters.length === 0 ? (
        <p class="soft">None: every event was folded.</p>
      ) : (
        <ol class="facts">
          {letters.map(({ projection, eventId, stream, eventType, error, failedAt, isForeign }) => (
            <li key={`${projection} ${eventId}`}>
              <time dateTime={new Date(failedAt).toISOString()}>{utc(failedAt)}</time>
              <Badge verdict="bad">{visible(eventType)}</Badge>
              <span>
                {visible(error)}{' '}
                <span class="soft">
                  ({projection}, {visible(stream)}, <code>{eventId}</code>)
                </span>{' '}
                {isForeign && <Badge verdict="warn">another program's</Badge>}
              </span>
              <Confirm action="Dismiss" onConfirm={() => then(dismiss(eventId), 'Dismissed.')}>
                <p>
                  No more is told of this event's dead letters, after a rebuild neither. They are kept, and no
                  row is changed.
                </p>
              </Confirm>
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}

function OutboxPanel({ figures: { outbox }, then }: Data & { then: Then }) {
  return (
    <section>
      <Head title="Outbox">
        <Confirm
          action="Relay"
          disabled={outbox.waiting === 0}
          onConfirm={() => then(relay(), 'Relayed what the event store took.')}
        >
          <p>Takes what waits to the event store now, in place of at its next try.</p>
        </Confirm>
      </Head>
      <p>
        {outbox.waiting === 0
          ? 'Nothing waits.'
          : `${count(outbox.waiting)} events wait for the event store, the oldest for ${span(outbox.waitingSeconds * 1_000)}.`}{' '}
        {outbox.dead > 0 && <Badge verdict="bad">{outbox.dead} that it calls invalid</Badge>}
      </p>
    </section>
  );
}

function CleanUpPanel({ figures, reload }: Data & { reload: () => void }) {
  return (
    <section>
      <Head title="Clean up">
        <Confirm
          action="Remove ended states"
          onConfirm={async () => {
            const { removed } = await cleanUp();
            reload();
            return `Removed ${count(removed)}.`;
          }}
        >
          <p>
            {count(figures.expired)} states have ended. Their history stays; their next init starts from the
            exchange's shared clock. It is recorded with your name.
          </p>
        </Confirm>
      </Head>
      <p class="soft">
        {count(figures.expired)} of {count(figures.total)} states have ended.
      </p>
    </section>
  );
}
