/** Which appends go together: whatever is waiting, each stream sees its appends in the order made, one group at a time. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  AppendQueue,
  formGroups,
  type Queued,
  type QueueOptions,
} from '../../src/event-store/append-queue.js';

interface Append extends Queued {
  readonly number: number;
}

const STREAMS = ['a', 'b', 'c', 'd', 'e'];

const appendOf = (number: number, streams: readonly string[], more: Partial<Append> = {}): Append => ({
  number,
  streams: new Set(streams),
  items: streams,
  goesAlone: false,
  interruption: { isOver: false },
  ...more,
});

const appends = fc
  .array(
    fc.record({
      streams: fc.subarray(STREAMS, { minLength: 1, maxLength: 3 }),
      goesAlone: fc.boolean(),
      isOver: fc.boolean(),
      size: fc.constantFrom(1, 3, 600, 2_500),
    }),
    { maxLength: 20 },
  )
  .map(all =>
    all.map(({ streams, goesAlone, isOver, size }, number) =>
      appendOf(number, streams, { goesAlone, interruption: { isOver }, items: new Array(size) }),
    ),
  );
const underWay = fc.subarray(STREAMS).map(streams => new Set(streams));
const streamsOf = (group: readonly Append[]) => new Set(group.flatMap(({ streams }) => [...streams]));
const touches = (streams: Iterable<string>, others: ReadonlySet<string>) =>
  [...streams].some(s => others.has(s));

describe('what can start', () => {
  it('shares no stream with what is under way, nor one group with another', () => {
    fc.assert(
      fc.property(appends, underWay, (waiting, busy) => {
        const taken = new Set(busy);
        for (const group of formGroups(waiting, busy).groups) {
          expect(touches(streamsOf(group), taken)).toBe(false);
          for (const stream of streamsOf(group)) taken.add(stream);
        }
      }),
    );
  });

  it('is never ahead of an older append to one of its streams', () => {
    fc.assert(
      fc.property(appends, underWay, (waiting, busy) => {
        const { groups, left } = formGroups(waiting, busy);
        for (const group of groups) {
          for (const append of group) {
            const older = left.filter(other => other.number < append.number);
            expect(touches(append.streams, streamsOf(older))).toBe(false);
          }
          for (const stream of streamsOf(group)) {
            const numbers = group.filter(({ streams }) => streams.has(stream)).map(({ number }) => number);
            expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
          }
        }
      }),
    );
  });

  it('goes with others only where it may, in groups of bounded size, and nothing is lost', () => {
    fc.assert(
      fc.property(appends, underWay, (waiting, busy) => {
        const { groups, left } = formGroups(waiting, busy);
        for (const group of groups) {
          if (group.length === 1) continue;
          expect(group.some(({ goesAlone }) => goesAlone)).toBe(false);
          expect(group.reduce((sum, { items }) => sum + items.length, 0)).toBeLessThanOrEqual(1_000);
        }
        const kept = [...groups.flat(), ...left].map(({ number }) => number).sort((a, b) => a - b);
        expect(kept).toEqual(
          waiting.filter(append => !append.interruption.isOver).map(({ number }) => number),
        );
      }),
    );
  });

  it('is the oldest append at least, when nothing is under way', () => {
    fc.assert(
      fc.property(appends, waiting => {
        const oldest = waiting.find(append => !append.interruption.isOver);
        const { groups } = formGroups(waiting, new Set());
        expect(groups.flat().includes(oldest as Append)).toBe(oldest !== undefined);
      }),
    );
  });
});

describe('the queue', () => {
  function givenQueue(options?: QueueOptions) {
    const groups: number[][] = [];
    const ends: (() => void)[] = [];
    const releases: (() => boolean)[] = [];
    const queue = new AppendQueue<Append>((group, release) => {
      groups.push(group.map(({ number }) => number));
      releases.push(release);
      return new Promise(resolve => ends.push(resolve));
    }, options);
    return { queue, groups, ends, releases };
  }

  it('sends what waits for a stream together, once the stream is free', async () => {
    const { queue, groups, ends } = givenQueue();
    queue.add(appendOf(0, ['a']));
    await nextTurn();
    for (const number of [1, 2, 3]) queue.add(appendOf(number, ['a']));
    queue.add(appendOf(4, ['b']));
    await nextTurn();
    expect(groups).toEqual([[0], [4]]);

    ends[0]?.();
    await nextTurn();
    await nextTurn();

    expect(groups).toEqual([[0], [4], [1, 2, 3]]);
  });

  it('takes along who appends again as soon as it is answered', async () => {
    const { queue, groups, ends } = givenQueue();
    queue.add(appendOf(0, ['a']));
    await nextTurn();
    queue.add(appendOf(1, ['a']));

    ends[0]?.();
    await Promise.resolve().then(() => queue.add(appendOf(2, ['a'])));
    await nextTurn();
    await nextTurn();

    expect(groups).toEqual([[0], [1, 2]]);
  });

  it('starts what is large enough for a group before those are answered whose group is stored', async () => {
    const { queue, groups, ends, releases } = givenQueue();
    const large = { items: new Array(400) };
    for (const number of [0, 1, 2, 3, 4]) queue.add(appendOf(number, ['a'], large));
    await nextTurn();
    expect(groups).toEqual([[0, 1]]);

    expect(releases[0]?.()).toBe(true);
    expect(groups).toEqual([
      [0, 1],
      [2, 3],
    ]);
    // Released is released: its end starts nothing more, and the streams are the second group's now.
    ends[0]?.();
    await nextTurn();
    await nextTurn();
    expect(groups).toHaveLength(2);

    expect(releases[1]?.()).toBe(false);
    await nextTurn();
    expect(groups.at(-1)).toEqual([4]);
  });

  it('begins with half where it is to, and goes on with all that waits before those are answered', async () => {
    const { queue, groups, ends, releases } = givenQueue({ largeGroupEvents: 150, halves: true });
    const hundred = { items: new Array(100) };
    for (const number of [0, 1, 2, 3]) queue.add(appendOf(number, ['log'], hundred));
    await nextTurn();
    expect(groups).toEqual([[0, 1]]);

    // Those who are answered append again while the other half is on its way.
    expect(releases[0]?.()).toBe(true);
    ends[0]?.();
    for (const number of [4, 5]) queue.add(appendOf(number, ['log'], hundred));
    await nextTurn();
    expect(groups).toEqual([
      [0, 1],
      [2, 3],
    ]);
    expect(releases[1]?.()).toBe(true);
    expect(groups.at(-1)).toEqual([4, 5]);
  });

  it('halves nothing small, and no single append', async () => {
    const { queue, groups, ends } = givenQueue({ largeGroupEvents: 150, halves: true });
    for (const number of [0, 1, 2]) queue.add(appendOf(number, ['log']));
    await nextTurn();
    ends[0]?.();
    await nextTurn();
    queue.add(appendOf(3, ['log'], { items: new Array(5_000) }));
    await nextTurn();
    await nextTurn();
    expect(groups).toEqual([[0, 1, 2], [3]]);
  });

  it('never starts what nobody waits for any more', async () => {
    const { queue, groups, ends } = givenQueue();
    const interruption = { isOver: false };
    queue.add(appendOf(0, ['a']));
    await nextTurn();
    queue.add(appendOf(1, ['a'], { interruption }));
    queue.add(appendOf(2, ['a']));
    interruption.isOver = true;

    ends[0]?.();
    await nextTurn();
    await nextTurn();

    expect(groups).toEqual([[0], [2]]);
  });
});
