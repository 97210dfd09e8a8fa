import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { comparePositions } from '../../src/event-store/postgres/position.js';
import type { Position, StoredEvent } from '../../src/events/event.js';
import { isTailOf } from '../../src/projector/continuity.js';
import {
  decodeMark,
  encodeMark,
  extendMark,
  LONGEST_TAIL,
  type LogMark,
} from '../../src/projector/log-mark.js';

const store = { compare: comparePositions };

/** `true`: a hit. */
const logs = fc.array(fc.boolean(), { minLength: 1, maxLength: 400, size: 'max' });
const pageSizes = fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 40 });

const logOf = (hits: readonly boolean[], past = ''): StoredEvent[] =>
  hits.map(
    (isHit, i) =>
      ({
        id: `event${past}${i}`,
        position: `pg/${i + 1}` as Position,
        stream: isHit ? 'connector_state_hits-a_b' : 'connector_state-a_b',
      }) as StoredEvent,
  );

function markOf(log: readonly StoredEvent[], sizes: readonly number[]): LogMark {
  let mark: LogMark | undefined;
  for (let at = 0, page = 0; at < log.length; page++) {
    const size = sizes[page % sizes.length] as number;
    mark = decodeMark(encodeMark(extendMark(mark, log.slice(at, at + size), at === 0)));
    at += size;
  }
  return mark as LogMark;
}

/** As the projector reads it. */
const tailIn = (log: readonly StoredEvent[], { tail }: LogMark) =>
  log.filter(({ position }) => comparePositions(position, tail?.from) > 0).slice(0, LONGEST_TAIL + 1);

describe('the mark of a log', () => {
  it('is found in its log however that was cut into pages and has grown, and is bounded', () => {
    fc.assert(
      fc.property(logs, pageSizes, fc.nat({ max: 50 }), (hits, sizes, grown) => {
        const log = logOf([...hits, ...Array.from({ length: grown }, () => false)]);
        const mark = markOf(log.slice(0, hits.length), sizes);

        expect(mark.at.id).toBe(log[hits.length - 1]?.id);
        expect(mark.tail?.events).toBeGreaterThanOrEqual(1);
        expect(mark.tail?.events).toBeLessThanOrEqual(LONGEST_TAIL);
        expect(isTailOf(store, mark, tailIn(log, mark))).toBe(true);
      }),
    );
  });

  it('is not found in a log that was cut off, or has another event among those of the tail', () => {
    fc.assert(
      fc.property(logs, pageSizes, fc.nat(), fc.nat({ max: 9 }), (hits, sizes, where, grown) => {
        const log = logOf(hits);
        const mark = markOf(log, sizes);
        const length = mark.tail?.events ?? 0;
        const cut = hits.length - 1 - (where % length);
        const forked = [
          ...log.slice(0, cut),
          ...logOf([...hits, ...Array.from({ length: grown }, () => false)], 'other').slice(cut),
        ];

        expect(isTailOf(store, mark, tailIn(log.slice(0, cut), mark))).toBe(false);
        expect(isTailOf(store, mark, tailIn(forked, mark))).toBe(false);
      }),
    );
  });

  it('is not found where a kept event of the tail is another and the last one the same', () => {
    const log = logOf(Array.from({ length: 30 }, () => false));
    const mark = markOf(log, [7]);
    const forked = log.map((event, i) => (i === 20 ? { ...event, id: 'other' } : event));

    expect(isTailOf(store, mark, tailIn(forked, mark))).toBe(false);
  });

  it('is found when hits of its tail were forgotten, the last event among them', () => {
    fc.assert(
      fc.property(logs, pageSizes, (hits, sizes) => {
        const all = [false, ...hits];
        const log = [...logOf([...all, false])];
        const mark = markOf(log.slice(0, all.length), sizes);
        fc.pre(mark.tail?.digest !== '');
        const left = log.filter((_, i) => i >= all.length || !all[i]);

        expect(isTailOf(store, mark, tailIn(left, mark))).toBe(true);
      }),
    );
  });

  it('knows the log by its first event that is kept for good', () => {
    expect(markOf(logOf([true, false, false]), [3]).log).toBe('event1');
    expect(markOf(logOf([false, true, true]), [1]).log).toBe('event0');
    expect(extendMark(undefined, logOf([false]), false)?.log).toBeUndefined();
  });
});
