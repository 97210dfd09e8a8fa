/**
 * Appending: one call of one SQL function, which takes the lock, numbers, stores and says what became of each event
 * (see the migrations for how, and why one round trip).
 *
 * Group commit. Appends queue for the log's lock in the database anyway, so this process sends one at a time, and what
 * is appended meanwhile goes together as the next (append-queue.ts). Each caller is answered for itself: by its own
 * deadline and signal, with the versions of its own events. What the database refuses for good may be one caller's
 * fault alone, so the appends of that group are then made one by one.
 *
 * An append that expects a version goes by itself, through the function that compares. A batch of which only a part is
 * stored already is not the retry of one append, for an append is atomic: its expected version is then held against the
 * stream as it is now, and what is missing is stored behind it. A stream all of whose events are there already is in
 * order whatever version was expected.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { NewEvent } from '../../events/event.js';
import { AppendQueue, type Queued } from '../append-queue.js';
import type { AppendOptions, AppendResult } from '../event-store.js';
import { readExpectedVersions } from '../expected-versions.js';
import { type SerialisedEvent, serialiseEvent } from '../serialise.js';
import { appendExpecting, appendTogether } from './append-calls.js';
import { isTransient } from './failure.js';
import { type Interruption, interruptAfter, type RunStatement } from './query.js';

export type AppendEvents = (events: readonly NewEvent[], options: AppendOptions) => Promise<AppendResult>;

interface Append extends Queued {
  readonly items: readonly SerialisedEvent[];
  /** By stream, for who goes alone. */
  readonly expected: ReadonlyMap<string, number>;
  readonly options: AppendOptions;
  readonly interruption: Interruption;
  settle(result: AppendResult): void;
  fail(error: unknown): void;
}

/** All appends are to one log: one group of them is on its way at a time. */
const THE_LOG: ReadonlySet<string> = new Set(['log']);

/** So many take the server some milliseconds, longer than most disks take for a commit: two groups in turn then gain. */
const LARGE_GROUP_EVENTS = 150;

export function createAppender(run: RunStatement, timeoutMs: number): AppendEvents {
  const queue = new AppendQueue<Append>((group, release) => storeGroup(run, group, timeoutMs, release), {
    largeGroupEvents: LARGE_GROUP_EVENTS,
    halves: true,
  });
  return async (events, options) => {
    const items = events.map(serialiseEvent);
    const streams = new Set(items.map(item => item.stream));
    const expected = readExpectedVersions(streams, options.expectedVersions);
    if (items.length === 0) return { events: [], position: undefined };
    const { signal } = options;
    const interruption = interruptAfter({ timeoutMs, signal }, `append ${events.length} event(s)`);
    try {
      const stored = new Promise<AppendResult>((settle, fail) => {
        const goesAlone = expected.size > 0;
        queue.add({ items, expected, options, interruption, settle, fail, goesAlone, streams: THE_LOG });
      });
      return await Promise.race([stored, interruption.promise]);
    } finally {
      interruption.dispose();
    }
  };
}

/** Never rejects. */
async function storeGroup(
  run: RunStatement,
  group: readonly Append[],
  timeoutMs: number,
  release: () => boolean,
): Promise<void> {
  const failure = await storeTogether(run, group, timeoutMs, release);
  if (failure === undefined) return;
  if (group.length === 1 || isTransient(failure)) {
    for (const { fail } of group) fail(failure);
    return;
  }
  for (const append of group) {
    if (append.interruption.isOver) continue;
    const its = await storeTogether(run, [append], timeoutMs);
    if (its !== undefined) append.fail(its);
  }
}

/** @returns what it failed with */
async function storeTogether(
  run: RunStatement,
  group: readonly Append[],
  timeoutMs: number,
  release?: () => boolean,
): Promise<unknown> {
  const [{ goesAlone, items, expected, options }] = group as readonly [Append, ...Append[]];
  const nobodyWaits = new AbortController();
  const bounds = { timeoutMs, signal: nobodyWaits.signal };
  whenAllAreOver(group, () => nobodyWaits.abort());
  try {
    if (goesAlone) {
      const result = await appendExpecting(run, items, expected, options.expectedVersions ?? {}, bounds);
      for (const { settle } of group) settle(result);
      return undefined;
    }
    const { events, position, last } = await appendTogether(
      run,
      group.flatMap(append => append.items),
      // Not when the group's appends are made one by one, after a failure.
      release ? { ...bounds, behind: behindAll(group) } : bounds,
    );
    if (release?.()) await nextTurn();
    let from = 0;
    for (const append of group) {
      append.settle({ events: events.slice(from, from + append.items.length), position, last });
      from += append.items.length;
    }
    return undefined;
  } catch (error) {
    return error;
  }
}

/** The connection carries one such thing: of several callers the others do theirs by themselves. */
const behindAll = (group: readonly Append[]) =>
  group.find(({ options }) => options.behind !== undefined)?.options.behind;

function whenAllAreOver(group: readonly Append[], then: () => void): void {
  let left = group.length;
  for (const { interruption } of group) {
    interruption.promise.catch(() => {
      if (--left === 0) then();
    });
  }
}
