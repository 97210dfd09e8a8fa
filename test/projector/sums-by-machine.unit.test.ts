/** Whose hits a sum holds, and what is told of sums from before they said so. */
import { expect, it } from '@jest/globals';
import { cacheUsage } from '../../projections/index.js';
import type { KnownEvent, Position, StoredEvent } from '../../src/events/event.js';
import { eventOf, HitsDigest } from '../../src/projector/forgotten/digest.js';
import { hit, stored, synced } from '../support/facts.js';
import { plainFold } from '../support/plain-fold.js';

const usedBy = (host: string, count: number) => ({ ...hit({ count }), host });
const hits = [
  usedBy('node-1/7', 1),
  usedBy('node-2/7', 2),
  usedBy('node-1/8', 4),
  usedBy('169.254.1.1/7', 8),
  usedBy('169.254.2.2/7', 16),
];

const AT = 'test/1' as unknown as Position;
const read = (events: readonly KnownEvent[]) =>
  events.map(event => ({ ...event, decoded: 'known' }) as StoredEvent);

function entriesOf(events: readonly KnownEvent[]) {
  const digest = new HitsDigest(undefined);
  for (const event of read(events)) digest.forget(event);
  for (const event of read(stored([synced()]))) digest.kept(event);
  return digest.entries();
}
const rowsOf = (events: readonly KnownEvent[]) =>
  plainFold(cacheUsage, events)
    .map(({ machine, hits }) => [machine, hits])
    .sort();

it('sums are made by machine, sandboxes being one, and fold to the rows of the hits', () => {
  const events = stored(hits);
  const sums = entriesOf(events).map(entry => eventOf(entry, AT) as KnownEvent);

  expect(sums).toHaveLength(3);
  expect(rowsOf(sums)).toEqual(rowsOf(events));
  expect(rowsOf(sums)).toEqual([
    ['169.254.*', 24],
    ['node-1', 5],
    ['node-2', 2],
  ]);
});

it('a sum that does not say is of no known host', () => {
  const before = entriesOf(stored([usedBy('node-1/7', 3)])).map(({ host: _, ...sum }) => sum);

  expect(rowsOf(before.map(sum => eventOf(sum, AT) as KnownEvent))).toEqual([['forgotten', 3]]);
});
