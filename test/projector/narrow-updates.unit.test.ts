import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { connectorStateCache, type Projection, type TableRow } from '../../projections/index.js';
import { MIN_ROWS, splitByColumns } from '../../src/projector/narrow-updates.js';
import { changedColumns } from '../../src/projector/row-codec.js';
import type { Change } from '../../src/projector/row-set.js';
import { tableSql } from '../../src/projector/table-sql.js';

const { columns, key } = tableSql(connectorStateCache as unknown as Projection);
const SAMPLES = {
  text: 'x',
  json: '{}',
  uuid: '00000000-0000-7000-8000-000000000001',
  boolean: true,
  integer: 1,
  bigint: 1,
  'double precision': 0.5,
  timestamptz: 1_760_000_000_000,
} as const;
const OTHERS = {
  text: 'y',
  json: '[]',
  uuid: '00000000-0000-7000-8000-000000000002',
  boolean: false,
  integer: 2,
  bigint: 2,
  'double precision': -0.5,
  timestamptz: 1_760_000_000_001,
} as const;

const keyOf = (n: number) => `key-${String(n).padStart(5, '0')}`;
const rowBefore = (n: number): TableRow => ({
  ...Object.fromEntries(columns.map(({ field, type }) => [field, SAMPLES[type]])),
  cacheKey: keyOf(n),
});
/** The row with these fields changed, as the fold reports it. */
function change(n: number, fields: readonly string[]): Change {
  const before = rowBefore(n);
  const changed = columns.filter(({ field }) => fields.includes(field));
  const row = { ...before, ...Object.fromEntries(changed.map(({ field, type }) => [field, OTHERS[type]])) };
  return { id: keyOf(n), row, columns: changedColumns(columns, row, before) };
}
const made = (n: number): Change => {
  const row = rowBefore(n);
  return { id: keyOf(n), row, columns: changedColumns(columns, row, undefined) };
};
const HIT = ['hitCount', 'lastHitAt', 'updatedAt'];

describe('rows in which the same few columns changed', () => {
  it('are updated in these alone, when they are many', () => {
    const hits = Array.from({ length: MIN_ROWS }, (_, n) => change(n, HIT));

    const { whole, narrow } = splitByColumns(columns, key, hits);

    expect(whole).toEqual([]);
    expect(narrow).toHaveLength(1);
    expect(narrow[0]?.columns.map(({ field }) => field)).toEqual(['cacheKey', ...HIT]);
    expect(narrow[0]?.rows).toEqual(hits.map(({ row }) => row));
  });

  it('are written whole when they are few', () => {
    const hits = Array.from({ length: MIN_ROWS - 1 }, (_, n) => change(n, HIT));
    expect(splitByColumns(columns, key, hits)).toEqual({ whole: hits.map(({ row }) => row), narrow: [] });
  });

  it('are written whole when they are new, or when most of their columns changed', () => {
    const most = columns.map(({ field }) => field).filter(field => field !== 'cacheKey');
    const all = Array.from({ length: 2 * MIN_ROWS }, (_, n) => (n % 2 === 0 ? made(n) : change(n, most)));

    const { whole, narrow } = splitByColumns(columns, key, all);

    expect(whole).toEqual(all.map(({ row }) => row));
    expect(narrow).toEqual([]);
  });
});

describe('what is written', () => {
  const fields = fc.subarray(columns.map(({ field }) => field).filter(field => field !== 'cacheKey'));
  const kinds = fc.array(fc.oneof(fields, fc.constant('new' as const), fc.constant(HIT)), {
    minLength: 1,
    maxLength: 4,
  });

  it('always makes of the rows before the rows after, each written once and in order', () => {
    fc.assert(
      fc.property(kinds, fc.integer({ min: 1, max: 3 * MIN_ROWS }), (given, count) => {
        const changes = Array.from({ length: count }, (_, n) => {
          const kind = given[n % given.length] as string[] | 'new';
          return kind === 'new' ? made(n) : change(n, kind);
        }).filter(({ columns: set }) => set !== 0);

        const { whole, narrow } = splitByColumns(columns, key, changes);

        const table = new Map<unknown, TableRow>();
        for (let n = 0; n < count; n++) {
          if (given[n % given.length] !== 'new') table.set(keyOf(n), rowBefore(n));
        }
        for (const row of whole) table.set(row.cacheKey, row);
        for (const update of narrow) {
          for (const row of update.rows) {
            const before = table.get(row.cacheKey);
            expect(before).toBeDefined();
            const set = Object.fromEntries(update.columns.map(({ field }) => [field, row[field]]));
            table.set(row.cacheKey, { ...before, ...set } as TableRow);
          }
        }
        for (const { id, row } of changes) expect(table.get(id)).toEqual(row);
        const lists = [whole, ...narrow.map(({ rows }) => rows)].map(rows => rows.map(row => row.cacheKey));
        expect(lists.flat()).toHaveLength(changes.length);
        for (const list of lists) expect(list).toEqual([...list].sort());
      }),
      { numRuns: 60 },
    );
  });
});

describe('what an event changed in a row', () => {
  it('is told apart as the database would: NaN is NaN, and null is a value', () => {
    const before = { ...rowBefore(1), timeOffset: Number.NaN, invalidReason: null };
    expect(changedColumns(columns, { ...before }, before)).toBe(0);
    expect(changedColumns(columns, { ...before, invalidReason: 'manual' }, before)).not.toBe(0);
  });

  it('is refused when it cannot be stored, and only then', () => {
    const before = { ...rowBefore(1), timeOffset: Number.POSITIVE_INFINITY };
    expect(changedColumns(columns, { ...before, hitCount: 2 }, before)).not.toBe(0);
    expect(() => changedColumns(columns, { ...before, hitCount: 2 ** 53 }, before)).toThrow(
      'hit_count: the value cannot be stored as bigint',
    );
  });

  it('is every column in a table too wide for a bit each', () => {
    const wide = Array.from({ length: 40 }, (_, i) => ({
      field: `f${i}`,
      name: `f${i}`,
      type: 'integer' as const,
    }));
    const before = Object.fromEntries(wide.map(({ field }) => [field, 1]));
    const changes = Array.from({ length: MIN_ROWS }, (_, n) => {
      const row = { ...before, f0: n, f35: 2 };
      return { id: String(n), row, columns: changedColumns(wide, row, before) };
    });
    expect(splitByColumns(wide, wide.slice(0, 1), changes).narrow).toEqual([]);
  });
});
