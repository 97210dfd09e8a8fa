import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { ReadAllOptions } from '../../src/event-store/event-store.js';
import { pageAhead } from '../../src/event-store/eventstoredb/page-ahead.js';
import type { Position } from '../../src/events/event.js';

interface Event {
  readonly position: Position;
}
const at = (n: number) => `es/${n}` as Position;
const numberOf = (position: Position | undefined) => (position === undefined ? 0 : Number(position.slice(3)));

/** A log of `length` events, numbered from 1. */
function createLog(length: number) {
  const log = { length, reads: [] as string[], nowMs: 0, fails: false };
  const readPage = async ({ after, limit }: ReadAllOptions): Promise<Event[]> => {
    const from = numberOf(after);
    log.reads.push(`${from}+${limit}`);
    if (log.fails) throw new Error('away');
    const count = Math.max(0, Math.min(limit, log.length - from));
    return Array.from({ length: count }, (_, i) => ({ position: at(from + i + 1) }));
  };
  return { log, read: pageAhead<Event>(readPage, () => log.nowMs) };
}
const numbers = (page: readonly Event[]) => page.map(({ position }) => numberOf(position));

describe('reading a page ahead', () => {
  it('begins with the second page in a row, and reads each page once', async () => {
    const { log, read } = createLog(9);

    for (const from of [0, 2, 4, 6, 8]) await read({ after: from === 0 ? undefined : at(from), limit: 2 });

    // The last was not full, and so it was asked for again.
    expect(log.reads).toEqual(['0+2', '2+2', '4+2', '6+2', '8+2', '8+2']);
  });

  it('takes nothing that is old, nor what failed', async () => {
    const { log, read } = createLog(100);
    await read({ after: undefined, limit: 2 });
    await read({ after: at(2), limit: 2 });
    log.nowMs += 1_000;
    await read({ after: at(4), limit: 2 });
    expect(log.reads).toEqual(['0+2', '2+2', '4+2', '4+2', '6+2']);

    log.fails = true;
    await read({ after: at(6), limit: 2 });
    log.fails = false;
    expect(numbers(await read({ after: at(8), limit: 2 }))).toEqual([9, 10]);
  });

  it('gives what is there, for several readers of a log that grows', async () => {
    const step = fc.record({
      reader: fc.nat(2),
      grows: fc.nat(5),
      passes: fc.nat(700),
      limit: fc.integer({ min: 1, max: 4 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.nat(20), fc.array(step, { maxLength: 60 }), async (length, steps) => {
        const { log, read } = createLog(length);
        const ends = [0, 0, 0];
        for (const { reader, grows, passes, limit } of steps) {
          const from = ends[reader] as number;
          const page = numbers(
            await read({ after: from === 0 ? undefined : at(from), limit: reader === 0 ? limit : 2 }),
          );
          const count = Math.min(reader === 0 ? limit : 2, log.length - from);
          expect(page).toEqual(Array.from({ length: count }, (_, i) => from + i + 1));
          ends[reader] = from + page.length;
          log.length += grows;
          log.nowMs += passes;
        }
      }),
    );
  });
});
