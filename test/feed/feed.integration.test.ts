/** The live feed over a real log: all of it in order from any place, filters, slow followers, one reader for all. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { firstValueFrom, take, toArray } from 'rxjs';
import type { FeedMessage } from '../../src/feed/event-feed.js';
import { many, sampleConnector } from '../contract/sample-events.js';
import { collect, createFeedHarness, type FeedHarness, idsIn, isCaughtUp, tokenOf } from './feed-harness.js';

describe('following', () => {
  const connector = sampleConnector();
  const past = many(23, i => (i % 3 === 0 ? connector.hit() : connector.fact()));
  let harness: FeedHarness;
  beforeAll(async () => {
    harness = await createFeedHarness();
    await harness.append(past);
  });
  afterAll(() => harness.close());

  it('gives the whole log in order, says when it has caught up, and goes on with what comes', async () => {
    const feed = harness.openFeed({ pageSize: 5 });
    const coming = many(7, () => connector.fact());
    let appended: Promise<void> | undefined;

    const messages = await collect(feed, { from: 'beginning' }, message => {
      if (isCaughtUp(message)) appended = harness.append(coming);
      return message.type === 'event' && message.event.id === coming.at(-1)?.id;
    });

    await appended;
    expect(idsIn(messages)).toEqual([...past, ...coming].map(({ id }) => id));
    expect(messages.filter(isCaughtUp)).toHaveLength(1);
    expect(messages.findIndex(isCaughtUp)).toBe(past.length);
    past.push(...coming);
  });

  it('goes on from every place with exactly what lies behind it', async () => {
    const feed = harness.openFeed({ pageSize: 4 });
    const all = await collect(feed, { from: 'beginning' }, isCaughtUp);
    for (const [i, message] of all.entries()) {
      const rest = await collect(feed, { from: message.token }, isCaughtUp);
      expect(idsIn(rest)).toEqual(
        past.slice(message.type === 'event' ? i + 1 : past.length).map(({ id }) => id),
      );
      expect(rest.some(({ type }) => type === 'reset')).toBe(false);
    }
  });

  it('goes on from a position that an append returned', async () => {
    const feed = harness.openFeed();
    const [first, second] = [connector.fact(), connector.fact()];
    const { position } = await harness.store.append([first]);
    await harness.append([second]);
    past.push(first, second);
    expect(idsIn(await collect(feed, { from: String(position) }, isCaughtUp))).toEqual([second.id]);
  });

  it('is an Observable too, each subscription a follower that begins for itself', async () => {
    const feed = harness.openFeed();
    const messages = feed.observe({ from: 'beginning' }).pipe(take(past.length), toArray());
    const [one, other] = await Promise.all([firstValueFrom(messages), firstValueFrom(messages)]);
    expect(idsIn(one as FeedMessage[])).toEqual(past.map(({ id }) => id));
    expect(other).toEqual(one);
  });

  it('is woken by the first event only, where news may wait, and then given all that has come', async () => {
    const feed = harness.openFeed({ windowEvents: 40, pageSize: 4 });
    let go: () => void = () => undefined;
    const asked: Promise<void>[] = [];
    const gather = (enough: Promise<void>) => {
      asked.push(enough);
      return Promise.race([enough, new Promise<void>(resolve => (go = resolve))]);
    };
    const coming = many(9, () => connector.fact());
    const burst = many(30, () => connector.fact());
    const lastOf = (events: readonly { id: string }[]) => events.at(-1)?.id;
    const untilAllCame = async () => {
      await collect(feed, { from: 'end' }, message => {
        if (isCaughtUp(message)) void harness.append(coming);
        return message.type === 'event' && message.event.id === lastOf(coming);
      });
      while (asked.length === 0) await new Promise(setImmediate);
      go();
    };
    let appended: Promise<void> | undefined;
    const pages: { readonly ids: readonly string[]; readonly more: boolean }[] = [];
    for await (const batch of feed.batches({ from: 'end', gather })) {
      if (batch.type === 'caught-up') void untilAllCame();
      if (batch.type !== 'events') continue;
      const ids = batch.page.map(({ id }) => id);
      pages.push({ ids, more: batch.more });
      if (ids.at(-1) === lastOf(coming)) {
        expect(asked).toHaveLength(1);
        // Nobody says go: it is more than a quarter of the window.
        appended = harness.append(burst);
      }
      if (ids.some(id => id === burst[0]?.id)) break;
    }
    await appended;
    past.push(...coming, ...burst);
    const given = pages.flatMap(({ ids }) => ids);
    expect(given).toEqual([...coming, ...burst].slice(0, given.length).map(({ id }) => id));
    const first = pages.slice(0, pages.findIndex(({ ids }) => ids.at(-1) === lastOf(coming)) + 1);
    expect(first.map(({ more }) => more)).toEqual(first.map((_, i) => i < first.length - 1));
    expect(first.length).toBeGreaterThan(1);
  });

  it('ends without an error when its signal does, and leaves nobody behind', async () => {
    const feed = harness.openFeed();
    const stop = new AbortController();
    const messages = await collect(feed, { from: 'end', signal: stop.signal }, () => {
      stop.abort();
      return false;
    });
    expect(messages.map(({ type }) => type)).toEqual(['caught-up']);
    expect(feed.followers).toBe(0);
  });

  it('refuses at once what is no place, no filter or no choice', () => {
    const feed = harness.openFeed();
    const bad = [
      { from: 'yesterday' },
      { filter: { exchange: 'BINANCE!' } },
      { filter: { userId: '' } },
      { filter: { types: [] } },
      { filter: { types: ['ConnectorSynced', 'ConnectorSync'] } },
      { filter: { type: 'ConnectorSynced' } as object },
      { afterReset: 'middle' as 'end' },
    ];
    for (const options of bad) {
      expect(() => feed.follow(options)).toThrow(expect.objectContaining({ code: 'INVALID_INPUT' }));
    }
  });

  it('names the type that was probably meant, or all that there are', () => {
    const feed = harness.openFeed();
    const follow = (type: string) => () => feed.follow({ filter: { types: [type] } });
    expect(follow('connectorAuthFaild')).toThrow(/did you mean ConnectorAuthFailed\?/);
    expect(follow('Trades')).toThrow(/there are ConnectorSynced, .*HitsForgotten/);
  });

  it('cuts everybody off with the place to go on from when it closes', async () => {
    const feed = harness.openFeed();
    const messages = await collect(feed, { from: 'beginning' }, message => {
      if (isCaughtUp(message)) void feed.close();
      return false;
    });
    expect(messages.at(-1)).toMatchObject({ type: 'cut-off', reason: 'closing' });
    expect(tokenOf(messages.at(-1))).toBe(tokenOf(messages.at(-2)));
    expect(() => feed.follow()).toThrow(expect.objectContaining({ code: 'CLOSED' }));
  });

  it('says so when the log cannot be read', async () => {
    const broken = await createFeedHarness();
    const feed = broken.openFeed();
    await broken.pool.query('ALTER TABLE connector_event RENAME TO elsewhere');
    await expect(collect(feed, { from: 'beginning' }, () => true)).rejects.toMatchObject({
      code: 'DATABASE_NOT_MIGRATED',
    });
    expect(feed.followers).toBe(0);
    await broken.close();
  });
});

describe('filters', () => {
  let harness: FeedHarness;
  beforeAll(async () => {
    harness = await createFeedHarness();
  });
  afterAll(() => harness.close());

  it('let pass what is wanted and nothing else, and tell how far the follower has come', async () => {
    const feed = harness.openFeed({ pageSize: 6 });
    const [mine, theirs] = [sampleConnector(), sampleConnector()];
    const events = many(40, i => (i % 2 ? mine : theirs)).map((who, i) =>
      i % 4 < 2 ? who.fact() : who.hit(),
    );
    const cleaned = {
      ...mine.fact(),
      stream: 'connector_state_cleanup-all',
      type: 'ExpiredStatesCleaned',
      data: { cutoff: 1_764_000_000_000, by: 'test' },
    } as const;
    await harness.append([...events, cleaned]);

    const forMe = await collect(feed, { from: 'beginning', filter: mine.ref }, isCaughtUp);
    expect(idsIn(forMe)).toEqual(events.filter((_, i) => i % 2).map(({ id }) => id));
    const hits = { ...mine.ref, types: ['ConnectorStateHit'], exchange: 'BYBIT', environment: 'MAINNET' };
    const myHits = await collect(feed, { from: 'beginning', filter: hits }, isCaughtUp);
    expect(idsIn(myHits)).toEqual(events.filter((_, i) => i % 2 && i % 4 >= 2).map(({ id }) => id));
    const none = await collect(feed, { from: 'beginning', filter: { environment: 'TESTNET' } }, isCaughtUp);
    expect(idsIn(none)).toEqual([]);
    // Whose filter lets nothing pass does not read it all again.
    const progress = none.find(({ type }) => type === 'progress');
    const again = await collect(feed, { from: tokenOf(progress) }, isCaughtUp);
    expect(idsIn(again)).toEqual([...events, cleaned].slice(6).map(({ id }) => id));
  });
});

describe('many followers', () => {
  let harness: FeedHarness;
  beforeEach(async () => {
    harness = await createFeedHarness();
  });
  afterEach(() => harness.close());

  it('each get every event in order, and together cost one query a page, past and live', async () => {
    const FOLLOWERS = 200;
    const PAGE = 50;
    const connector = sampleConnector();
    const feed = harness.openFeed({ pageSize: PAGE });
    const past = many(1_000, () => connector.fact());
    const live = many(1_000, () => connector.hit());
    await harness.append(past);
    const before = harness.queries();

    let caughtUp = 0;
    const everybody = Promise.all(
      many(FOLLOWERS, () =>
        collect(feed, { from: 'beginning' }, (message, all) => {
          if (isCaughtUp(message)) caughtUp += 1;
          return all.length === past.length + live.length + 1;
        }),
      ),
    );
    while (caughtUp < FOLLOWERS) await new Promise(setImmediate);
    const forThePast = harness.queries() - before;
    // Not counted as theirs: what the writer sends.
    let appends = 0;
    for (let i = 0; i < live.length; i += PAGE) {
      await harness.store.append(live.slice(i, i + PAGE));
      appends += 1;
    }
    const all = await everybody;

    const expected = [...past, ...live].map(({ id }) => id);
    for (const messages of all) expect(idsIn(messages)).toEqual(expected);
    // Besides the pages: which log it is, its end, and a look for news at the start and once it listens.
    expect(forThePast).toBeLessThanOrEqual(past.length / PAGE + 4);
    expect(harness.queries() - before - forThePast - appends).toBeLessThanOrEqual(2 * appends);
  });

  it('are not held up by a slow one, who is cut off when he has fallen too far behind, and goes on from there', async () => {
    const connector = sampleConnector();
    const feed = harness.openFeed({ windowEvents: 20, pageSize: 10 });
    const slow = feed.follow({ from: 'end' })[Symbol.asyncIterator]();
    expect((await slow.next()).value).toMatchObject({ type: 'caught-up' });
    const first = connector.fact();
    await harness.append([first]);
    const given = (await slow.next()).value as FeedMessage;
    expect(idsIn([given])).toEqual([first.id]);

    const events = many(100, () => connector.fact());
    const quick = collect(feed, { from: given.token }, (_, all) => idsIn(all).length === events.length);
    for (const event of events) await harness.append([event]);
    expect(idsIn(await quick)).toEqual(events.map(({ id }) => id));

    const rest: FeedMessage[] = [];
    for (let next = await slow.next(); !next.done; next = await slow.next()) rest.push(next.value);
    expect(rest.at(-1)).toMatchObject({ type: 'cut-off', reason: 'slow' });
    const later = await collect(feed, { from: tokenOf(rest.at(-1)) }, isCaughtUp);
    expect([...idsIn(rest), ...idsIn(later)]).toEqual(events.map(({ id }) => id));
  });
});
