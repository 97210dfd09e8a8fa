/**
 * More of the same, held with a real 24.2.0: appends of nothing and of events that are there in part, metadata that says
 * nothing, reads and subscriptions from places that are none, streams deleted twice and for good.
 */

import {
  type Answer,
  type Expected,
  many,
  type Place,
  type Reading,
  type Talk,
  until,
  type Write,
} from './talk.js';
import type { Conversation } from './talks.js';

const has = (kind: string, answers: readonly Answer[]) => () => answers.some(answer => kind in answer);
const toStream = (stream: string, writes: readonly (readonly [Expected, ...number[]])[]): Write[] =>
  writes.map(([expected, ...ids]) => ({ stream, expected, events: ids.map(id => ({ id })) }));
const placeOf = async (talk: Talk, prefix: string): Promise<Place> => {
  const answers = await talk.peek({ from: 'end', back: true, count: 1, prefix });
  return answers.find(answer => answer.event) as unknown as Place;
};
const beside = ({ commit, prepare }: Place, bytes: bigint): Place => ({
  commit: BigInt(commit) + bytes,
  prepare: BigInt(prepare) + bytes,
});
const FAR = 2n ** 62n;
const NOTHING = 2n ** 64n - 1n;

async function reads(talk: Talk, stream: string, readings: readonly Reading[]): Promise<void> {
  for (const reading of readings) await talk.read({ ...reading, stream });
}

/** @param count of events to wait for, once the subscription has caught up and `during` has run */
async function follow(
  talk: Talk,
  reading: Reading,
  during: () => Promise<unknown> = async () => undefined,
  count = 0,
): Promise<void> {
  await talk.subscribe(reading, async answers => {
    await until(() => has('caughtUp', answers)() || has('code', answers)());
    await during();
    await until(() => answers.filter(({ event }) => event).length >= count || has('code', answers)());
    await talk.silence();
  });
}

export const FURTHER_CONVERSATIONS: Readonly<Record<string, Conversation>> = {
  async 'append-nothing'(talk) {
    await talk.batchAppend(
      toStream('a', [['none'], ['any'], ['exists'], [3], ['none', 1, 2], ['none'], [1], [0], ['exists']]),
    );
    for (const write of toStream('a', [[1], ['none'], ['exists']])) await talk.append(write);
    await talk.append({ stream: 'a-none', expected: 'none' });
    await reads(talk, 'a', [{}]);
    await reads(talk, 'a-none', [{}]);
  },
  async 'same-id-twice'(talk) {
    await talk.batchAppend(
      toStream('b', [
        ['none', 1, 1],
        ['none', 1, 1],
        ['none', 1],
        [1, 1],
        [1, 1],
        ['any', 1],
        ['exists', 1, 2],
        ['exists', 3],
        ['exists', 3],
      ]),
    );
    await reads(talk, 'b', [{}]);
  },
  async 'there-in-part'(talk) {
    await talk.batchAppend(
      toStream('c', [
        ['none', 1, 2, 3],
        [2, 4, 5],
        ['none', 1, 2, 3, 4, 5],
        ['none', 1, 2, 3, 4, 5, 6],
        [0, 2, 3],
        [1, 3, 99],
        [1, 99, 3],
        [4, 6],
        [4, 6, 7],
        [5, 7],
        ['any', 4, 5, 6, 7, 8],
        ['any', 1, 2, 3, 4, 5, 6, 7],
        [100, 1],
      ]),
    );
    for (const write of toStream('c', [
      [0, 2, 3],
      [1, 3, 99],
      ['any', 2, 3, 4],
      [100, 50],
    ]))
      await talk.append(write);
    await talk.append({ stream: 'c-none', expected: 3, events: many(51, 1) });
    await talk.batchAppend([
      { stream: 'c2', expected: 'none', parts: [[], many(60, 2), []] },
      { stream: 'c2', expected: 1, parts: [[], []] },
      { stream: 'c2', expected: 'none', parts: [many(60, 1), many(61, 1)] },
      { stream: 'c2', expected: 0, parts: [many(69, 1), many(61, 1)] },
    ]);
    await reads(talk, 'c', [{}]);
  },
  async 'ids-across-streams'(talk) {
    const twice = (['any', 'any', 'none'] as const).flatMap(expected => [
      { stream: 'd1', expected, events: many(1, 2) },
      { stream: 'd2', expected, events: many(1, 2) },
    ]);
    const more = toStream('d1', [
      ['exists', 1, 2],
      ['any', 2, 1],
      ['any', 1, 50],
      ['any', 50, 1],
    ]);
    for (const write of [...twice, ...more]) await talk.append(write);
    for (const stream of ['d1', 'd2']) await reads(talk, stream, [{}]);
  },
  async 'odd-events'(talk) {
    const events = ['', 'not json', '[]'].map((data, index) => ({ id: index + 1, data }));
    await talk.batchAppend([
      { stream: 'e', expected: 'none', events: [...events, { id: 4, type: 'Ünïcode ✓' }] },
      { stream: 'e', expected: 3, events: [{ id: 6, type: '' }] },
      { stream: 'e', expected: 3, events: [{ id: 7, type: 't'.repeat(300) }] },
    ]);
    await talk.append({ stream: 'e', expected: 'any', events: [{ id: 8, type: '' }] });
    await reads(talk, 'e', [{}]);
  },
  async 'metadata-that-says-nothing'(talk) {
    await talk.append({ stream: 'f', expected: 'none', events: many(10, 6) });
    const texts = ['null', 'not json', '[]', '', '{"$maxCount":0}', '{"$tb":-1}', '{"$tb":2,"$maxCount":5}'];
    for (const [index, text] of [...texts, '{"$tb":5,"$maxCount":4}'].entries()) {
      await talk.setMetadata('f', text, index + 1);
      await reads(talk, 'f', [{}, { from: 'end', back: true, count: 1 }]);
    }
    await reads(talk, '$$f', [{}, { from: 0, count: 1 }, { from: 'end', back: true }]);
    await reads(talk, '$$f-none', [{ from: 'end', back: true, count: 1 }]);
  },
  async 'a-long-stream-cut'(talk) {
    await talk.append({ stream: 'g', expected: 'none', events: many(1, 120) });
    await talk.setMetadata('g', '{"$tb":70}', 500);
    await reads(talk, 'g', [
      { count: 3 },
      ...[0, 30, 60, 69, 70].map(from => ({ from, count: 5 })),
      { from: 0, count: 40 },
      ...[60, 72].map(from => ({ from, back: true, count: 10 })),
      { from: 'end', back: true, count: 3 },
    ]);
    await talk.setMetadata('g', '{"$maxCount":50}', 501);
    await reads(talk, 'g', [{ count: 3 }, { from: 5, count: 1 }]);
    await talk.setMetadata('g', '{"$tb":500}', 502);
    await reads(
      talk,
      'g',
      [0, 119, 120, 500].map(from => ({ from, count: 1 })),
    );
  },
  async 'reads-at-the-edge'(talk) {
    await talk.append({ stream: 'h', expected: 'none', events: many(1, 4) });
    await reads(talk, 'h', [{ count: 0 }, { from: 'start', back: true }, { from: 'end' }, { from: 4 }]);
    await reads(talk, 'h', [{ from: 3 }, { from: 0, back: true, count: 5 }, { from: 1, count: 1e15 }]);
  },
  async 'reads-of-all-at-the-edge'(talk) {
    await talk.append({ stream: 'i', expected: 'none', events: many(1, 4) });
    const at = await placeOf(talk, 'talk-i');
    const places: Place[] = [
      at,
      beside(at, 1n),
      beside(at, -3n),
      { commit: at.commit, prepare: BigInt(at.commit) + 5n },
      { commit: FAR, prepare: FAR },
      { commit: 0n, prepare: 0n },
      { commit: NOTHING, prepare: NOTHING },
    ];
    await talk.read({ prefix: 'talk-i', from: { commit: at.commit, prepare: 0n }, count: 2 });
    for (const from of [...places, 'start', 'end'] as const) {
      for (const back of [false, true]) await talk.read({ prefix: 'talk-i', from, back, count: 2 });
    }
    await talk.read({ from: beside(at, -3n), count: 1 });
    await talk.read({ from: { commit: FAR, prepare: FAR }, back: true, count: 1 });
  },
  async 'soft-deleted-again'(talk) {
    await talk.append({ stream: 'k', expected: 'none', events: many(1, 3) });
    for (const expected of [2, 2, 'any'] as const) await talk.remove('delete', 'k', expected);
    await reads(talk, 'k', [{}]);
    await talk.batchAppend(
      toStream('k', [
        [2, 4, 5],
        [2, 4, 5],
      ]),
    );
    await talk.silence();
    await reads(talk, 'k', [{}, { from: 0, count: 1 }, { from: 'end', back: true }]);
    await talk.remove('delete', 'k', 'exists');
    await talk.batchAppend(
      toStream('k', [
        ['any', 4, 5],
        ['none', 20],
      ]),
    );
    await talk.silence();
    await talk.remove('delete', 'k', 'none');
    await talk.append({ stream: 'k', expected: 'exists', events: many(30, 1) });
    await talk.remove('delete', 'k');
    await talk.append({ stream: 'k', expected: 'exists', events: many(31, 1) });
    await talk.append({ stream: 'k', expected: 'any' });
    await talk.silence();
    await reads(talk, 'k', [{}]);
    await reads(talk, '$$k', [{}]);
  },
  async 'metadata-of-the-deleted'(talk) {
    await talk.setMetadata('l', '{"$maxCount":5,"mine":1}', 60);
    await talk.append({ stream: 'l', expected: 'none', events: many(1, 3) });
    await talk.remove('delete', 'l');
    await reads(talk, '$$l', [{}]);
    await talk.append({ stream: 'l', expected: 'any', events: many(5, 1) });
    await talk.silence();
    await reads(talk, '$$l', [{}]);
    await talk.remove('delete', 'l');
    await talk.setMetadata('l', '{"$maxCount":9}', 61);
    await talk.silence();
    await reads(talk, 'l', [{}]);
    await reads(talk, '$$l', [{}]);
  },
  async tombstones(talk) {
    await talk.append({ stream: 'm', expected: 'none', events: many(1, 3) });
    await talk.remove('tombstone', 'm', 'exists');
    await talk.remove('tombstone', 'm');
    await talk.remove('delete', 'm');
    for (const stream of ['m', '$$m']) await reads(talk, stream, [{ from: 'end', back: true }]);
    for (const write of toStream('m', [
      ['none', 4],
      ['any', 1, 2, 3],
    ]))
      await talk.append(write);
    await talk.batchAppend([
      ...toStream('m', [
        ['none', 1, 2, 3],
        ['exists', 9],
      ]),
      { stream: '$$m', expected: 'any', events: [{ id: 70, type: '$metadata', data: '{}' }] },
    ]);
    for (const [index, expected] of (['none', 'any', 'exists', 0] as const).entries()) {
      await talk.remove('tombstone', `m-${index}`, expected);
      await reads(talk, `m-${index}`, [{}]);
    }
    await talk.append({ stream: 'm2', expected: 'none', events: many(100, 2) });
    await talk.remove('delete', 'm2');
    await talk.remove('tombstone', 'm2', 1);
    await reads(talk, 'm2', [{}]);
    for (const prefix of ['talk-m', 'talk-m2']) await talk.read({ prefix, count: 9 });
  },
  async 'following-deletions'(talk) {
    await talk.append({ stream: 'n', expected: 'none', events: many(1, 2) });
    const changes = async () => {
      await talk.append({ stream: 'n', expected: 'any', events: many(3, 1) });
      await talk.remove('delete', 'n');
      await talk.append({ stream: 'n', expected: 'any', events: many(4, 1) });
      await talk.silence();
      await talk.remove('tombstone', 'n');
    };
    await follow(talk, { prefix: 'talk-n' }, changes, 5);
    await follow(talk, { prefix: 'talk-n' });
  },
  async 'following-a-stream'(talk) {
    const next =
      (id: number, stream = 'o') =>
      () =>
        talk.append({ stream, expected: 'any', events: many(id, 1) });
    await talk.append({ stream: 'o', expected: 'none', events: many(1, 3) });
    await follow(talk, { stream: 'o', from: 0 }, next(4), 3);
    await follow(talk, { stream: 'o', from: 'end' }, next(5), 1);
    await follow(talk, { stream: 'o-none' }, next(6, 'o-none'), 1);
    await follow(talk, { stream: 'o', from: 50 }, next(7));
    await talk.remove('tombstone', 'o');
    await follow(talk, { stream: 'o' });
    await talk.append({ stream: 'o2', expected: 'none', events: many(20, 3) });
    await follow(talk, { stream: 'o2' }, () => talk.remove('tombstone', 'o2'), 4);
    await talk.append({ stream: 'o3', expected: 'none', events: many(30, 3) });
    await talk.setMetadata('o3', '{"$maxCount":1}', 60);
    await follow(talk, { stream: 'o3' });
  },
  async 'following-from-odd-places'(talk) {
    const next = (id: number) => () => talk.append({ stream: 'p', expected: 'any', events: many(id, 1) });
    await talk.append({ stream: 'p', expected: 'none', events: many(1, 4) });
    const at = await placeOf(talk, 'talk-p');
    const prefix = 'talk-p';
    await follow(talk, { prefix, from: at }, next(5), 1);
    await follow(talk, { prefix, from: 'end' }, next(6), 1);
    await follow(talk, { prefix, from: beside(at, 1n) });
    await follow(talk, { from: beside(at, 1n) });
    await follow(talk, { prefix, from: { commit: at.commit, prepare: BigInt(at.commit) + 5n } });
    await follow(talk, { prefix, from: { commit: at.commit, prepare: 0n } });
    await follow(talk, { prefix, from: { commit: NOTHING, prepare: NOTHING } }, next(7), 1);
    await follow(talk, { from: at });
    for (const odd of [{ window: 0 }, { every: 0 }, { window: 2 }, { window: 2, every: 2 }])
      await follow(talk, { prefix, from: at, ...odd });
  },
  async 'looking-through-noise'(talk) {
    await talk.append({ stream: 'q', expected: 'none', events: many(1, 2) });
    await talk.append({ stream: 'noise', expected: 'none', events: many(10, 95) });
    await talk.append({ stream: 'q', expected: 1, events: many(3, 2) });
    await talk.append({ stream: 'noise', expected: 94, events: many(200, 40) });
    for (const window of [10, 32, 50, 500]) await follow(talk, { prefix: 'talk-q', window });
    await follow(talk, { prefix: 'nothing-', window: 10 });
    await follow(talk, { prefix: 'talk-noise', window: 50 });
    await follow(talk, { prefix: 'talk-noise', from: await placeOf(talk, 'talk-q'), window: 10 });
  },
};
