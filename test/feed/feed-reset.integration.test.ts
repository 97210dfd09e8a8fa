/** A feed over a log that is not the one that was read: it says so before anything else, also to who follows. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { NewEvent } from '../../src/events/event.js';
import { createEventFeed, type FeedMessage } from '../../src/feed/event-feed.js';
import { many, sampleConnector } from '../contract/sample-events.js';
import { givenAnotherLog, restoreOlder } from '../projector/lost-past.js';
import { collect, createFeedHarness, type FeedHarness, idsIn, isCaughtUp, tokenOf } from './feed-harness.js';

let harness: FeedHarness;
const connector = sampleConnector();
let events: NewEvent[];
beforeEach(async () => {
  harness = await createFeedHarness();
  events = many(10, () => connector.fact());
  await harness.append(events);
});
afterEach(() => harness.close());

const ids = (of: readonly NewEvent[]) => of.map(({ id }) => id);

/** The token behind the nth event (from 1). */
async function tokenBehind(n: number): Promise<string> {
  const feed = harness.openFeed();
  return tokenOf((await collect(feed, { from: 'beginning' }, (_, all) => all.length === n)).at(-1));
}

describe('a token of another past', () => {
  it('of a log that was restored to before it: reset, and all from the beginning', async () => {
    const token = await tokenBehind(8);
    await restoreOlder(harness.pool, 5);
    const messages = await collect(harness.openFeed(), { from: token }, isCaughtUp);
    expect(messages[0]).toMatchObject({ type: 'reset', reason: 'older-log' });
    expect(idsIn(messages)).toEqual(ids(events.slice(0, 5)));
  });

  it('that is a position alone, as a write returned it: reset too, and nothing is waited for in silence', async () => {
    const { position } = await harness.store.append([connector.fact()]);
    const from = position as string;
    expect(await collect(harness.openFeed(), { from }, isCaughtUp)).toMatchObject([{ type: 'caught-up' }]);
    await restoreOlder(harness.pool, 5);
    const messages = await collect(harness.openFeed(), { from }, isCaughtUp);
    expect(messages[0]).toMatchObject({ type: 'reset', reason: 'older-log' });
    expect(idsIn(messages)).toEqual(ids(events.slice(0, 5)));
  });

  it('of a log that has grown past it again with other events: reset', async () => {
    const token = await tokenBehind(8);
    await restoreOlder(harness.pool, 5);
    const others = many(6, () => connector.fact());
    await harness.append(others);
    const messages = await collect(harness.openFeed(), { from: token }, isCaughtUp);
    expect(messages[0]).toMatchObject({ type: 'reset', reason: 'other-past' });
    expect(idsIn(messages)).toEqual(ids([...events.slice(0, 5), ...others]));
  });

  it('of another log: reset, and from its end if that is asked for', async () => {
    const token = await tokenBehind(8);
    const another = await givenAnotherLog();
    await another.store.append(many(20, () => sampleConnector().fact()));
    const feed = createEventFeed({ store: another.store });
    const messages = await collect(feed, { from: token, afterReset: 'end' }, isCaughtUp);
    expect(messages.map(({ type }) => type)).toEqual(['reset', 'caught-up']);
    expect(messages[0]).toMatchObject({ reason: 'other-log' });
    const next = connector.fact();
    await another.store.append([next]);
    expect(idsIn(await collect(feed, { from: tokenOf(messages[0]) }, isCaughtUp))).toEqual([next.id]);
    await feed.close();
    await another.close();
  });

  it('of another kind of store: reset', async () => {
    const messages = await collect(
      harness.openFeed(),
      { from: '1.0123456789abcdef.esdb/10/10.0123456789abcdef' },
      isCaughtUp,
    );
    expect(messages[0]).toMatchObject({ type: 'reset', reason: 'other-log' });
  });

  it('before what was lost is none: it goes on', async () => {
    const token = await tokenBehind(3);
    await restoreOlder(harness.pool, 5);
    const messages = await collect(harness.openFeed(), { from: token }, isCaughtUp);
    expect(idsIn(messages)).toEqual(ids(events.slice(3, 5)));
    expect(messages.some(({ type }) => type === 'reset')).toBe(false);
  });
});

describe('a follower whose log is exchanged behind his back', () => {
  it('hears of it, and is given the log as it is now', async () => {
    // Of pages so small that the log's end fills one: what was read before must not be told again.
    const feed = harness.openFeed({ pageSize: 2 });
    const after = many(2, () => connector.fact());
    let restored: Promise<void> | undefined;
    const messages = await collect(feed, { from: 'beginning' }, (message, all) => {
      if (isCaughtUp(message) && !restored) {
        restored = restoreOlder(harness.pool, 5).then(() => harness.append(after));
      }
      return idsIn(all).at(-1) === after.at(-1)?.id;
    });
    await restored;
    const reset = messages.findIndex(({ type }) => type === 'reset');
    expect(idsIn(messages.slice(0, reset))).toEqual(ids(events));
    expect(messages[reset]).toMatchObject({ reason: 'older-log' });
    expect(idsIn(messages.slice(reset))).toEqual(ids([...events.slice(0, 5), ...after]));
  });
});

describe('a token at a hit that was forgotten since', () => {
  const forget = async () => {
    const client = await harness.pool.connect();
    await client.query('ALTER TABLE connector_event_hits DISABLE TRIGGER USER');
    await client.query('DELETE FROM connector_event_hits');
    await client.query(
      'ALTER TABLE connector_event_hits ENABLE ALWAYS TRIGGER connector_event_hits_is_immutable',
    );
    client.release();
  };
  const last = (messages: readonly FeedMessage[]) =>
    tokenOf(messages.filter(({ type }) => type === 'event').at(-1));

  it('goes on, by what is kept for good', async () => {
    const hits = many(3, () => connector.hit());
    const more = connector.fact();
    await harness.append([...hits, more]);
    const all = await collect(harness.openFeed(), { from: 'beginning' }, isCaughtUp);
    const token = last(all.slice(0, 12));
    await forget();
    const rest = await collect(harness.openFeed(), { from: token }, isCaughtUp);
    expect(rest.some(({ type }) => type === 'reset')).toBe(false);
    expect(idsIn(rest)).toEqual([more.id]);
  });

  it('is reset where what is kept is not what it was either', async () => {
    await harness.append(many(3, () => connector.hit()));
    const token = last(await collect(harness.openFeed(), { from: 'beginning' }, isCaughtUp));
    await restoreOlder(harness.pool, 5);
    await harness.append(many(9, () => connector.fact()));
    const messages = await collect(harness.openFeed(), { from: token }, isCaughtUp);
    expect(messages[0]).toMatchObject({ type: 'reset', reason: 'other-past' });
  });
});
