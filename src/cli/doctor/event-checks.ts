/** The way of the facts: the event store, the outbox before it, the projector behind it. */

import type { OpenedEventStore } from '../../composition/event-stores.js';
import type { Settings } from '../../composition/settings.js';
import type { EventStore } from '../../event-store/event-store.js';
import type { Rehearsal } from '../../event-store/eventstoredb/index.js';
import type { OutboxTable } from '../../event-store/outbox/index.js';
import { edgeStreamOf } from '../../events/streams.js';
import type { Projector } from '../../projector/index.js';
import type { SharedClockSummary } from '../../read-model/clock-queries.js';
import { iso, plusMinus, span } from '../quantities.js';
import { nameOfClock } from '../shared-clock-text.js';
import { type Check, fail, ok, warn } from './check.js';

/** Behind by more than this is no longer the time a page takes. */
const LONG_LAG_SECONDS = 60;

/** What this release was tried against; others are taken at their word. */
const MEASURED = ['23.10.8', '24.2.0'];

export async function checkEventStore({ store, identify, rehearse }: OpenedEventStore): Promise<Check> {
  try {
    const rehearsal = await rehearse?.().catch(async error => {
      // It knows a name that does not exist from a server that is away, and says so instead.
      await identify();
      throw error;
    });
    if (rehearsal && rehearsal.problems.length > 0) {
      return fail(
        'event store',
        `${versionOf(rehearsal)} at ${rehearsal.node} answers, but: ${rehearsal.problems.join('; ')}`,
        'grant what `connector-state doctor --store-rights` prints',
      );
    }
    await identify();
    const head = await store.head();
    const who = rehearsal
      ? `${versionOf(rehearsal)} at ${rehearsal.node} answers, and may be read and written`
      : 'answers';
    return ok('event store', head ? `${who}; its last event is ${head}` : `${who}; it is empty`);
  } catch (error) {
    const isWrong = (error as { transient?: boolean }).transient === false;
    return {
      ...fail(
        'event store',
        (error as Error).message,
        isWrong ? 'correct EVENT_STORE_URL' : 'facts wait in the outbox meanwhile',
      ),
      cause: isWrong ? 'settings' : 'unreachable',
    };
  }
}

/**
 * The clocks in front of the exchanges, as their `Date` headers showed them last: how far they are from the clocks that
 * judge. Nothing is signed by them, so one that is far off is only worth knowing.
 */
export async function checkEdges(
  store: Pick<EventStore, 'readStream'>,
  clocks: readonly Pick<SharedClockSummary, 'exchange' | 'environment' | 'scope'>[],
): Promise<Check> {
  const found: string[] = [];
  for (const clock of clocks) {
    const [last] = await store.readStream(edgeStreamOf(clock), { direction: 'backwards', limit: 1 });
    if (last?.decoded !== 'known' || last.type !== 'ExchangeEdgeMeasured') continue;
    const { aheadMs, uncertaintyMs } = last.data;
    found.push(`${nameOfClock(clock)}: ${plusMinus(aheadMs, uncertaintyMs)} ahead of the exchange's clock`);
  }
  return ok(
    'edges',
    found.length === 0 ? "none is known to differ from its exchange's clock" : found.join('; '),
  );
}

function versionOf({ version }: Rehearsal): string {
  if (!version) return 'a server that does not tell its version';
  return MEASURED.includes(version)
    ? `EventStoreDB ${version}`
    : `version ${version} (not measured: ${MEASURED.join(' and ')} are)`;
}

export async function checkProjector(projector: Projector): Promise<Check> {
  try {
    const { events, seconds } = await projector.lag();
    const said =
      events === 0 ? 'has applied every event' : `${events} events behind, ${seconds.toFixed(1)} s`;
    return seconds < LONG_LAG_SECONDS
      ? ok('projector', said)
      : warn('projector', said, 'run `connector-state project` and look at its log');
  } catch (error) {
    return fail('projector', (error as Error).message, 'do what the message says');
  }
}

/** What is forgotten, and who will forget more. */
export async function checkRetention(
  projector: Projector,
  { hitsMaxAgeMs, projection }: Pick<Settings, 'hitsMaxAgeMs' | 'projection'>,
): Promise<Check> {
  const before = await projector.forgottenBefore();
  const past =
    before === undefined ? 'no hits are forgotten' : `hits from before ${iso(before)} are forgotten`;
  const who =
    projection === 'worker' ? 'the worker' : '`connector-state forget-hits`, or a worker where one runs,';
  const future =
    hitsMaxAgeMs === 0
      ? 'the others are kept for good (HITS_MAX_AGE_MS is 0)'
      : `${who} forgets those older than ${span(hitsMaxAgeMs)}`;
  return ok('retention', `${past}; ${future}`);
}

export async function checkDeadLetters(projector: Projector): Promise<Check> {
  const letters = await projector.deadLetters();
  if (letters.length === 0) return ok('dead letters', 'none');
  const foreign = letters.filter(letter => letter.isForeign);
  if (foreign.length === letters.length) {
    return warn(
      'dead letters',
      `${letters.length} letters of events that another program wrote into ${foreign[0]?.stream} or others; the first: ${foreign[0]?.error}`,
      'find that program; `connector-state project --dismiss foreign` when they may stay',
    );
  }
  const others = foreign.length === 0 ? '' : ` (${foreign.length} of them another program's)`;
  return warn(
    'dead letters',
    `${letters.length} events could not be folded${others}; the first: ${letters.find(({ isForeign }) => !isForeign)?.error}`,
    'see `connector-state project --dead-letters`, upgrade, then `connector-state project --replay`; `--dismiss <event>` what will never be',
  );
}

export async function checkOutbox(outbox: Pick<OutboxTable, 'status'>): Promise<Check> {
  const { waiting, waitingSince, lastError, dead, lastDeadError, refused } = await outbox.status();
  if (refused.events > 0) {
    const others = waiting - refused.events;
    return warn(
      'outbox',
      `${refused.events} events of ${refused.streams} stream(s) wait behind one that the event store refused, the first of ${refused.stream}: ${refused.error}; ${others === 0 ? 'nothing else waits' : `${others} others wait too${lastError ? ` (${lastError})` : ''}`}`,
      'do what the refusal says; they are tried again every minute, or at once with `connector-state relay --retry-dead`. A stream that was deleted for good takes none: `relay --set-aside <stream>`',
    );
  }
  if (waiting > 0) {
    const why = lastError ? `; ${lastError}` : '';
    return warn(
      'outbox',
      `${waiting} events wait since ${iso(waitingSince ?? 0)}${why}`,
      'mend the event store; they go on their way by themselves, or at once with `connector-state relay`',
    );
  }
  if (dead > 0) {
    return warn(
      'outbox',
      `nothing waits; ${dead} events were called invalid or set aside; the last: ${lastDeadError}`,
      'upgrade connector-state, then `connector-state relay --retry-dead`',
    );
  }
  return ok('outbox', 'nothing waits');
}
