import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { longAnswer } from '../../src/http/long-answer.js';

describe('A long answer', () => {
  it('is the text that JSON.stringify makes, however many rows there are', async () => {
    const row = fc.record({
      name: fc.string({ unit: 'binary' }),
      value: fc.double(),
      none: fc.constant(null),
    });
    const rows = fc.oneof(
      fc.array(row),
      fc.tuple(row, fc.integer({ min: 199, max: 601 })).map(([one, many]) => Array<object>(many).fill(one)),
    );
    await fc.assert(
      fc.asyncProperty(fc.dictionary(fc.string(), fc.integer()), rows, async (head, list) => {
        delete head.rows;
        expect(JSON.parse(await longAnswer(head, 'rows', list))).toEqual(
          JSON.parse(JSON.stringify({ ...head, rows: list })),
        );
      }),
      { numRuns: 50 },
    );
  });

  it('lets others have their turns meanwhile', async () => {
    let turns = 0;
    let isDone = false;
    const count = () => {
      turns += 1;
      if (!isDone) setImmediate(count);
    };
    setImmediate(count);
    await longAnswer({}, 'rows', Array<object>(1_000).fill({ a: 1 }));
    isDone = true;
    expect(turns).toBeGreaterThanOrEqual(4);
  });
});
