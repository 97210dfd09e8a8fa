import { describe, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import type { ReadAllOptions } from '../../src/event-store/event-store.js';
import { type Ahead, pageAhead } from '../../src/event-store/eventstoredb/page-ahead.js';
import type { Position } from '../../src/events/event.js';
import { many, sampleConnector } from '../contract/sample-events.js';
import { givenServer, givenStore } from './eventstoredb-support.js';

interface Event {
  readonly position: Position;
}
const at = (n: number) => `es/${n}` as Position;
const numberOf = (position: Position | undefined) => (position === undefined ? 0 : Number(position.slice(3)));

/** A log of `length` events, numbered from 1. */
function createLog(length: number) {
  const log = { length, reads: [] as string[], open: 0, fails: false };
  const eventsFrom = (from: number, count: number): Event[] =>
    Array.from({ length: count }, (_, i) => ({ position: at(from + i + 1) }));
  const readPage = async ({ after, limit }: ReadAllOptions): Promise<Event[]> => {
    const from = numberOf(after);
    log.reads.push(`${from}+${limit}`);
    return eventsFrom(from, Math.max(0, Math.min(limit, log.length - from)));
  };
  const open = (after: Position): Ahead<Event> => {
    let from = numberOf(after);
    // Of a log that grows it is sent what was there.
    const end = log.length;
    log.reads.push(`${from}...`);
    log.open += 1;
    return {
      async take(count) {
        if (log.fails || end - from < count) return undefined;
        from += count;
        return eventsFrom(from - count, count);
      },
      close: () => void log.open--,
    };
  };
  return { log, read: pageAhead<Event>(readPage, open) };
}
const numbers = (page: readonly Event[]) => page.map(({ position }) => numberOf(position));

describe('reading ahead', () => {
  it('begins with the second page in a row, and reads each page once', async () => {
    const { log, read } = createLog(9);

    for (const from of [0, 2, 4, 6, 8]) await read({ after: from === 0 ? undefined : at(from), limit: 2 });

    // The last was not full, and so it was asked for by itself.
    expect(log).toMatchObject({ reads: ['0+2', '2...', '8+2'], open: 0 });
  });

  it('ends where nobody comes, or something fails, and the page is read by itself', async () => {
    jest.useFakeTimers();
    const { log, read } = createLog(100);
    await read({ after: undefined, limit: 2 });
    await read({ after: at(2), limit: 2 });
    jest.advanceTimersByTime(1_000);
    jest.useRealTimers();
    expect(log.open).toBe(0);

    expect(numbers(await read({ after: at(4), limit: 2 }))).toEqual([5, 6]);
    log.fails = true;
    expect(numbers(await read({ after: at(6), limit: 2 }))).toEqual([7, 8]);
    expect(log).toMatchObject({ reads: ['0+2', '2...', '4...', '6+2'], open: 0 });
  });

  it('gives what is there, for several readers of a log that grows', async () => {
    const step = fc.record({
      reader: fc.nat(2),
      grows: fc.nat(5),
      fails: fc.boolean(),
      limit: fc.integer({ min: 1, max: 4 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.nat(20), fc.array(step, { maxLength: 60 }), async (length, steps) => {
        const { log, read } = createLog(length);
        const ends = [0, 0, 0];
        for (const { reader, grows, fails, limit } of steps) {
          log.fails = fails;
          const from = ends[reader] as number;
          const size = reader === 0 ? limit : 2;
          const page = numbers(await read({ after: from === 0 ? undefined : at(from), limit: size }));
          const count = Math.min(size, log.length - from);
          expect(page).toEqual(Array.from({ length: count }, (_, i) => from + i + 1));
          ends[reader] = from + page.length;
          log.length += grows;
          expect(log.open).toBeLessThanOrEqual(1);
        }
      }),
    );
  });

  it('gives every event once and in order, whatever becomes of the server meanwhile', async () => {
    const server = await givenServer();
    const store = givenStore(server, { callTimeoutMs: 3_000 });
    const connector = sampleConnector();
    const events = many(600, () => connector.fact());
    await store.append(events);
    const seen: string[] = [];

    for (let after: Position | undefined; ; ) {
      const page = await store.readAll({ after, limit: 20 });
      seen.push(...page.map(({ id }) => id));
      if (page.length < 20) break;
      after = page.at(-1)?.position;
      if (seen.length === 200) await server.restart();
      if (seen.length === 300) server.inject({ rpc: 'read', kind: 'stall', times: 1 });
      if (seen.length === 400) server.inject({ rpc: 'read', kind: 'cut', afterMessages: 30, times: 1 });
      if (seen.length === 400) await server.restart();
    }

    expect(seen).toEqual(events.map(({ id }) => id));
  });
});
