/** The conversations that were held with real servers. Every input is valid; each talk has streams of its own. */
import { type Answer, many, type Place, type Talk, until } from './talk.js';

/** Over the limit of one append. */
const HUGE = `{"x":"${'y'.repeat(1_100_000)}"}`;
const KILOBYTE = `{"x":"${'y'.repeat(900)}"}`;

export interface Stage {
  /** Lets the server's clock go on. */
  pass(ms: number): void;
  /** A second talk, which is not compared. */
  readonly aside: Talk;
}

export type Conversation = (talk: Talk, stage: Stage) => Promise<unknown>;

const has = (kind: string, answers: readonly Answer[]) => () => answers.some(answer => kind in answer);

/** Of a subscription whose messages come in numbers that depend on the machine. */
const counted = (answers: readonly Answer[]) => {
  const count = (kind: string) => answers.filter(answer => kind in answer).length;
  const some = (number: number) => (number > 1 ? 'several' : number);
  const ended = answers.find(({ code }) => code)?.code;
  return {
    first: Object.keys(answers[0] ?? {})[0],
    ended,
    events: ended ? 'some' : count('event'),
    checkpoints: count('checkpoint') > 0 ? 'some' : 'none',
    caughtUp: some(count('caughtUp')),
    fellBehind: some(count('fellBehind')),
  };
};

const lastEvent = (answers: readonly Answer[]) => answers.find(answer => answer.event) as unknown as Place;
const FAR: Place = { commit: 2n ** 61n, prepare: 2n ** 61n };

export const CONVERSATIONS: Readonly<Record<string, Conversation>> = {
  async 'from-a-fresh-server'(talk) {
    await talk.supportedMethods();
    await talk.subscribe({ prefix: 'nothing-' }, async answers => {
      await until(has('caughtUp', answers));
      await talk.silence();
    });
    await talk.subscribe({ prefix: 'talk-first' }, async answers => {
      await until(has('caughtUp', answers));
      await talk.append({ stream: 'first', expected: 'none', events: many(1, 1) });
      await until(has('event', answers));
      await talk.silence();
    });
  },
  async 'batch-append'(talk) {
    await talk.batchAppend([
      { stream: 'a', expected: 'none', events: many(1, 3) },
      { stream: 'a', expected: 'none', events: many(1, 3) },
      { stream: 'a', expected: 2, events: many(4, 1) },
      { stream: 'a', expected: 0, events: many(2, 2) },
      { stream: 'a', expected: 0, events: [{ id: 2 }, { id: 9 }] },
      { stream: 'a', expected: 'none', events: many(10, 1) },
      { stream: 'a', expected: 7, events: many(11, 1) },
      { stream: 'never', expected: 0, events: many(12, 1) },
      { stream: 'never', expected: 'exists', events: many(13, 1) },
    ]);
    await talk.read({ stream: 'a' });
  },
  async 'batch-append-any'(talk) {
    const ids = [many(1, 4), many(1, 4), many(1, 2), many(3, 2)];
    const others = [
      [2, 1],
      [4, 5],
      [20, 20],
    ].map(pair => pair.map(id => ({ id })));
    await talk.batchAppend([...ids, ...others].map(events => ({ stream: 'b', expected: 'any', events })));
    await talk.read({ stream: 'b' });
  },
  async 'one-id-in-two-streams'(talk) {
    const both = many(1, 2);
    await talk.batchAppend([
      ...['p', 'q', 'q', 'p'].map(stream => ({ stream, expected: 'any' as const, events: both })),
      { stream: 'q', expected: 'none', events: both },
    ]);
    await talk.read({ stream: 'p' });
    await talk.read({ stream: 'q' });
  },
  async 'batch-append-in-parts'(talk) {
    await talk.batchAppend([
      { stream: 'c', expected: 'none', parts: [many(1, 2), many(3, 2), []] },
      { stream: 'c', expected: 3, parts: [many(5, 1), many(6, 1)] },
    ]);
    await talk.read({ stream: 'c' });
  },
  async 'batch-append-refused'(talk) {
    await talk.batchAppend([
      { stream: 'd', expected: 'any', events: [{ id: 1, data: HUGE }] },
      { stream: 'd', expected: 'any', events: many(2, 1) },
    ]);
    await talk.remove('tombstone', 'd');
    await talk.batchAppend([
      { stream: 'd', expected: 'any', events: many(5, 1) },
      { stream: 'd', expected: 0, events: many(6, 1) },
    ]);
    await talk.batchAppend([
      { stream: 'd2', expected: 'any', events: many(7, 1_500, { data: KILOBYTE }) },
      { stream: 'd2', expected: 'any', events: many(3_000, 1_000, { data: KILOBYTE }) },
    ]);
  },
  async append(talk) {
    await talk.append({ stream: 'e', expected: 'none', events: many(1, 2) });
    await talk.append({ stream: 'e', expected: 'none', events: many(1, 2) });
    await talk.append({ stream: 'e', expected: 'none', events: many(5, 1) });
    await talk.append({ stream: 'e', expected: 1, events: many(6, 1) });
    await talk.append({ stream: 'e', expected: 9, events: many(7, 1) });
    await talk.append({ stream: 'e', expected: 'any', events: [] });
    await talk.append({ stream: 'e-none', expected: 'exists', events: many(8, 1) });
    await talk.append({ stream: 'e', expected: 'any', events: [{ id: 9, data: HUGE }] });
    await talk.read({ stream: 'e' });
  },
  async reading(talk) {
    await talk.append({ stream: 'f', expected: 'none', events: many(1, 5) });
    await talk.read({ stream: 'f', from: 1, count: 2 });
    await talk.read({ stream: 'f', from: 'end', back: true, count: 2 });
    await talk.read({ stream: 'f', from: 9, count: 2 });
    await talk.read({ stream: 'f', from: 9, back: true, count: 2 });
    await talk.read({ stream: 'f', from: 2, back: true });
    await talk.read({ stream: 'f-none' });
    await talk.read({ stream: 'f-none', from: 'end', back: true, count: 1 });
  },
  async 'reading-all'(talk) {
    await talk.append({ stream: 'g', expected: 'none', events: many(1, 3) });
    const { commit, prepare } = lastEvent(
      await talk.peek({ from: 'end', back: true, count: 1, prefix: 'talk-g' }),
    );
    await talk.append({ stream: 'noise', expected: 'any', events: many(50, 80) });
    await talk.append({ stream: 'g', expected: 2, events: many(4, 1) });
    await talk.read({ prefix: 'talk-g', from: { commit, prepare }, count: 10 });
    await talk.read({ prefix: 'talk-g', from: 'end', back: true, count: 2 });
    await talk.read({ from: { commit: 2n ** 62n, prepare: 2n ** 62n }, count: 3 });
  },
  async 'max-count'(talk) {
    await talk.append({ stream: 'h', expected: 'none', events: many(1, 5) });
    await talk.setMetadata('h', '{"$maxCount":2}', 60);
    await talk.read({ stream: 'h' });
    await talk.read({ stream: 'h', from: 0, count: 1 });
    await talk.read({ stream: 'h', from: 'end', back: true });
    await talk.batchAppend([
      { stream: 'h', expected: 'none', events: many(1, 2) },
      { stream: 'h', expected: 'any', events: many(1, 1) },
      { stream: 'h', expected: 4, events: many(9, 1) },
    ]);
    await talk.read({ stream: 'h' });
  },
  async 'max-age'(talk, { pass }) {
    await talk.setMetadata('i', '{"$maxAge":1}', 60);
    await talk.append({ stream: 'i', expected: 'none', events: many(1, 3) });
    pass(2_300);
    await talk.read({ stream: 'i' });
    await talk.read({ stream: 'i', from: 'end', back: true, count: 2 });
    await talk.batchAppend([
      { stream: 'i', expected: 'none', events: many(1, 3) },
      { stream: 'i', expected: 'none', events: many(8, 1) },
      { stream: 'i', expected: 2, events: many(9, 1) },
    ]);
    pass(3_000);
    await talk.read({ stream: 'i' });
    await talk.read({ prefix: 'talk-i', from: 'start' });
  },
  async 'truncate-before'(talk) {
    await talk.append({ stream: 'j', expected: 'none', events: many(1, 4) });
    await talk.setMetadata('j', '{"$tb":3}', 60);
    await talk.read({ stream: 'j' });
    await talk.read({ stream: 'j', from: 0, count: 1 });
    await talk.setMetadata('j', '{"$tb":99}', 61);
    await talk.read({ stream: 'j' });
    await talk.read({ stream: 'j', from: 'end', back: true, count: 1 });
  },
  async 'soft-delete'(talk) {
    await talk.append({ stream: 'k', expected: 'none', events: many(1, 2) });
    await talk.remove('delete', 'k');
    await talk.read({ stream: 'k' });
    await talk.read({ stream: 'k', from: 'end', back: true, count: 1 });
    await talk.batchAppend([
      { stream: 'k', expected: 'none', events: many(1, 2) },
      { stream: 'k', expected: 'none', events: many(5, 1) },
      { stream: 'k', expected: 'any', events: many(6, 1) },
    ]);
    await talk.read({ stream: 'k' });
    await talk.read({ stream: '$$k' });
  },
  async 'soft-delete-exact'(talk) {
    await talk.append({ stream: 'l', expected: 'none', events: many(1, 2) });
    await talk.remove('delete', 'l', 1);
    await talk.batchAppend([
      { stream: 'l', expected: 1, events: many(5, 1) },
      { stream: 'l', expected: 'exists', events: many(6, 1) },
    ]);
    await talk.read({ stream: 'l' });
  },
  async 'deleting-refused'(talk) {
    await talk.append({ stream: 'm', expected: 'none', events: many(1, 2) });
    await talk.remove('delete', 'm', 9);
    await talk.remove('delete', 'm-none');
    await talk.remove('tombstone', 'm', 9);
    await talk.remove('tombstone', 'm', 1);
    // The recorder noted a read that fails twice.
    await talk.read({ stream: 'm' });
    await talk.read({ stream: 'm' });
    await talk.remove('delete', 'm');
  },
  async 'following-a-slow-reader'(talk, { aside }) {
    await talk.append({ stream: 'n', expected: 'none', events: many(1, 50) });
    const follow = async (answers: readonly Answer[], call: { pause(): unknown; resume(): unknown }) => {
      await until(has('caughtUp', answers));
      call.pause();
      for (let burst = 1; burst <= 20; burst++) {
        await aside.append({ stream: 'n', expected: 'any', events: many(burst * 100, 100) });
      }
      await talk.silence();
      call.resume();
      const isOver = () => has('code', answers)() || answers.filter(({ event }) => event).length >= 2_050;
      await until(isOver);
      await talk.silence();
    };
    await talk.subscribe({ prefix: 'talk-n' }, follow, counted);
  },
  async 'checkpoints-among-noise'(talk, { aside }) {
    const { commit, prepare } = lastEvent(await talk.peek({ from: 'end', back: true, count: 1 }));
    const makeNoise = async (answers: readonly Answer[]) => {
      await until(has('caughtUp', answers));
      for (let burst = 10; burst < 20; burst++) {
        await aside.append({ stream: 'noise2', expected: 'any', events: many(burst * 10, 10) });
      }
      await until(has('checkpoint', answers));
    };
    await talk.subscribe({ prefix: 'nothing-', from: { commit, prepare } }, makeNoise, counted);
    const toEnd = async (answers: readonly Answer[]) => {
      await until(has('caughtUp', answers));
      await talk.silence();
    };
    await talk.subscribe({ prefix: 'nothing-', from: 'start' }, toEnd, answers => ({
      endsWith: Object.keys(answers.at(-1) ?? {}),
      hasCheckpoints: answers.some(({ checkpoint }) => checkpoint),
    }));
  },
  async 'following-from-beyond-the-end'(talk, { aside }) {
    await talk.subscribe({ prefix: 'talk-o', from: FAR }, async answers => {
      await until(has('caughtUp', answers));
      await aside.append({ stream: 'o', expected: 'any', events: many(1, 3) });
      await talk.silence();
    });
    await talk.read({ stream: 'o' });
  },
};
