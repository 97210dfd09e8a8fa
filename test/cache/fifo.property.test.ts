import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Fifo } from '../../src/cache/fifo.js';

it('is an array of which the front is taken', () => {
  const operation = fc.oneof(
    { weight: 5, arbitrary: fc.constant({ kind: 'push' as const, count: 0 }) },
    { weight: 3, arbitrary: fc.constant({ kind: 'shift' as const, count: 0 }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('take' as const), count: fc.nat({ max: 6 }) }) },
  );
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 200, size: 'max' }), operations => {
      const fifo = new Fifo<number>();
      const array: number[] = [];
      for (const [i, { kind, count }] of operations.entries()) {
        if (kind === 'push') {
          fifo.push(i);
          array.push(i);
        } else if (kind === 'shift') expect(fifo.shift()).toBe(array.shift());
        else expect(fifo.take(count)).toEqual(array.splice(0, count));
        expect(fifo.length).toBe(array.length);
        expect([fifo.at(0), fifo.at(array.length - 1), fifo.at(array.length)]).toEqual([
          array[0],
          array.at(-1),
          undefined,
        ]);
      }
    }),
  );
});
