import { expect, it } from '@jest/globals';
import type { Page } from '../../src/event-store/event-store.js';
import type { StoredEvent } from '../../src/events/event.js';
import { asStored, follow, idsOf, type Subject } from './harness.js';
import { many, sampleConnector } from './sample-events.js';

export function describeSubscribing(subject: Subject): void {
  it('catches up in pages, then follows', async () => {
    const { store } = subject;
    const connector = sampleConnector();
    const start = await store.head();
    const there = many(25, () => connector.fact());
    const live = many(3, () => connector.hit());
    await store.append(there);
    const pages: Page[] = [];
    let isAppended = false;

    await follow(store, { after: start, pageSize: 10 }, async page => {
      pages.push(page);
      if (page.caughtUp && !isAppended) {
        isAppended = true;
        await store.append(live);
      }
      return pages.flatMap(({ events }) => events).length === there.length + live.length;
    });

    expect(idsOf(pages.flatMap(({ events }) => events))).toEqual(idsOf([...there, ...live]));
    expect(pages.map(({ events }) => events.length).slice(0, 3)).toEqual([10, 10, 5]);
    expect(pages.map(({ caughtUp }) => caughtUp).slice(0, 3)).toEqual([false, false, true]);
    for (const page of pages) {
      expect(page.events.length).toBeLessThanOrEqual(10);
      expect(page.position).toBe(page.events.at(-1)?.position ?? page.position);
    }
  });

  it('says that it is at the head also when there was nothing to read', async () => {
    const { store } = subject;
    const after = (await store.append([sampleConnector().fact()])).position;
    const pages: Page[] = [];

    await follow(store, { after }, page => pages.push(page) > 0);

    expect(pages).toEqual([{ events: [], position: after, caughtUp: true }]);
  });

  it('says that it is at the head when the last page was exactly full', async () => {
    const { store } = subject;
    const connector = sampleConnector();
    const start = await store.head();
    const { position } = await store.append(many(10, () => connector.fact()));
    const pages: Page[] = [];

    await follow(store, { after: start, pageSize: 5 }, page => {
      pages.push(page);
      return page.caughtUp;
    });

    expect(pages.flatMap(({ events }) => events)).toHaveLength(10);
    expect(pages.at(-1)).toMatchObject({ caughtUp: true, position });
  });

  it('sees what another instance appends', async () => {
    const [reader, writer] = [subject.store, await subject.another()];
    const start = await reader.head();
    const event = sampleConnector().fact();
    const seen: StoredEvent[] = [];

    await follow(reader, { after: start }, async page => {
      if (page.events.length === 0) await writer.append([event]);
      return seen.push(...page.events) > 0;
    });

    expect(idsOf(seen)).toEqual([event.id]);
  });

  it('lets a reader fall behind and catch up', async () => {
    const { store, harness } = subject;
    const connectors = many(10, sampleConnector);
    const start = await store.head();
    const events = many(
      3_000,
      index => connectors[index % 10]?.fact() as ReturnType<(typeof connectors)[0]['fact']>,
    );
    const appends = [0, 100, 600, 1_100, 1_600, 2_100, 2_600].map((from, index, all) =>
      events.slice(from, all[index + 1]),
    );
    const [first = [], ...others] = appends;
    await store.append(first);
    const seen: StoredEvent[] = [];
    let wasBehind = false;

    await follow(store, { after: start, pageSize: 50 }, async page => {
      seen.push(...page.events);
      if (!wasBehind) {
        wasBehind = true;
        for (const append of others) await store.append(append);
      }
      return page.caughtUp;
    });

    expect(idsOf(seen)).toEqual(idsOf(appends.flatMap(append => asStored(harness, append))));
  });

  it('ends promptly and without an error when aborted at the head', async () => {
    const { store } = subject;
    const stop = new AbortController();
    const pages = store.subscribe({ after: await store.head(), signal: stop.signal })[Symbol.asyncIterator]();
    expect((await pages.next()).value).toMatchObject({ caughtUp: true });

    const waiting = pages.next();
    stop.abort();

    expect(await waiting).toEqual({ done: true, value: undefined });
  });

  it('ends when aborted before, between pages, and when the reader breaks off', async () => {
    const { store } = subject;
    const connector = sampleConnector();
    const start = await store.head();
    await store.append(many(20, () => connector.fact()));
    const before = [];
    for await (const page of store.subscribe({ after: start, signal: AbortSignal.abort() }))
      before.push(page);
    expect(before).toEqual([]);

    const between: Page[] = [];
    await follow(store, { after: start, pageSize: 5 }, page => between.push(page) === 2);
    expect(between).toHaveLength(2);

    for await (const page of store.subscribe({ after: start, signal: new AbortController().signal })) {
      expect(page.events).not.toHaveLength(0);
      break;
    }
  });

  it('ends when the store is closed', async () => {
    const store = await subject.another();
    const pages = store
      .subscribe({ after: await store.head(), signal: new AbortController().signal })
      [Symbol.asyncIterator]();
    await pages.next();

    const waiting = pages.next();
    await store.close();

    expect(await waiting).toEqual({ done: true, value: undefined });
  });

  it('serves many readers at once, each from its own position', async () => {
    const { store } = subject;
    const connector = sampleConnector();
    const start = await store.head();
    const { events } = await store.append(many(30, () => connector.fact()));
    const stored = await store.readStream(connector.stateStream);
    const read = async (after: typeof start) => {
      const seen: StoredEvent[] = [];
      await follow(store, { after, pageSize: 7 }, page => {
        seen.push(...page.events);
        return page.caughtUp;
      });
      return idsOf(seen);
    };

    const [all, half] = await Promise.all([read(start), read(stored[14]?.position)]);

    expect(all).toEqual(idsOf(events));
    expect(half).toEqual(idsOf(events.slice(15)));
  });

  it('outlives the loss of every connection', async () => {
    const { store, harness } = subject;
    if (!harness.breakConnections) return;
    const connector = sampleConnector();
    const start = await store.head();
    const events = many(4, () => connector.fact());
    const seen: StoredEvent[] = [];

    await follow(store, { after: start }, async page => {
      seen.push(...page.events);
      const next = events[seen.length];
      if (!next) return true;
      await harness.breakConnections?.();
      // A writer whose connection just broke tries again with the same id.
      await store.append([next]).catch(() => store.append([next]));
      return false;
    });

    expect(idsOf(seen)).toEqual(idsOf(events));
  });

  it.each([0, 10_001, 1.5])('refuses a page size of %p', pageSize => {
    expect(() => subject.store.subscribe({ pageSize, signal: new AbortController().signal })).toThrow(
      /pageSize/,
    );
  });
}
