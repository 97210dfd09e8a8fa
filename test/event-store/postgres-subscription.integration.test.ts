/** Following the log in PostgreSQL: hints by LISTEN, polling as the floor, and a database that goes away. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Page } from '../../src/event-store/event-store.js';
import { createPostgresEventStore } from '../../src/event-store/postgres/index.js';
import { pg } from '../../src/postgres/driver.js';
import { follow, idsOf } from '../contract/harness.js';
import { many, sampleConnector } from '../contract/sample-events.js';
import { createPostgresHarness, type PostgresHarness, until } from './postgres-harness.js';
import { createProxy } from './proxy.js';

let harness: PostgresHarness;
beforeAll(async () => {
  harness = await createPostgresHarness();
});
afterAll(async () => {
  await harness.close();
});

describe('subscriptions', () => {
  it('read one page for each that is asked for', async () => {
    const { store, pool } = harness.openWith();
    const connector = sampleConnector();
    const after = await store.head();
    await store.append(many(100, () => connector.fact()));
    let reads = 0;
    pool.on('acquire', () => reads++);
    const stop = new AbortController();
    const pages = store.subscribe({ after, pageSize: 10, signal: stop.signal })[Symbol.asyncIterator]();

    for (let page = 1; page <= 3; page++) {
      await pages.next();
      await (await harness.connect()).end();
      expect(reads).toBe(page);
    }

    stop.abort();
    await pages.next();
    expect(pool.idleCount).toBe(pool.totalCount);
    await store.close();
  });

  it('hear of an append at once, long before they would look', async () => {
    const { store } = harness.openWith({ pollIntervalMs: 1_000_000 });
    const { store: writer } = harness.openWith();
    const event = sampleConnector().fact();
    const seen: Page[] = [];

    await follow(store, { after: await store.head() }, async page => {
      seen.push(page);
      if (seen.length === 1) {
        await until(async () => (await harness.countConnections(`query = 'LISTEN connector_event'`)) > 0);
        await writer.append([event]);
      }
      return page.events.length > 0;
    });

    expect(idsOf(seen.flatMap(({ events }) => events))).toEqual([event.id]);
    await Promise.all([store.close(), writer.close()]);
  });

  it('listen again after the listening connection was lost, and say so', async () => {
    const problems: Error[] = [];
    const { store } = harness.openWith({ pollIntervalMs: 1_000_000, onRetry: error => problems.push(error) });
    const { store: writer } = harness.openWith();
    const connector = sampleConnector();
    const events = [connector.fact(), connector.fact()];
    const seen: string[] = [];

    await follow(store, { after: await store.head() }, async page => {
      seen.push(...idsOf(page.events));
      const next = events[seen.length];
      if (!next) return true;
      await until(async () => (await harness.countConnections(`query = 'LISTEN connector_event'`)) > 0);
      if (seen.length === 1) {
        const killer = await harness.connect();
        await killer.query(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
           WHERE datname = current_database() AND query = 'LISTEN connector_event'`,
        );
        await killer.end();
      }
      await writer.append([next]);
      return false;
    });

    expect(seen).toEqual(idsOf(events));
    expect(problems.map(({ message }) => message)).toEqual([expect.stringContaining('polls instead')]);
    await Promise.all([store.close(), writer.close()]);
  });

  it('poll when they may not listen', async () => {
    const { store } = harness.openWith({ listen: false, pollIntervalMs: 5 });
    const { store: writer } = harness.openWith();
    const event = sampleConnector().fact();
    const seen: string[] = [];

    await follow(store, { after: await store.head() }, async page => {
      if (page.events.length === 0) await writer.append([event]);
      return seen.push(...idsOf(page.events)) > 0;
    });

    expect(seen).toEqual([event.id]);
    await Promise.all([store.close(), writer.close()]);
  });

  it('share one listening connection, and close it with the last', async () => {
    const { store } = harness.openWith();
    const stops = many(3, () => new AbortController());
    const readers = stops.map(({ signal }) => store.subscribe({ signal })[Symbol.asyncIterator]());
    const listening = () => harness.countConnections(`application_name = 'connector-state listener'`);
    await Promise.all(readers.map(reader => reader.next()));
    await until(async () => (await listening()) === 1);

    for (const stop of stops) stop.abort();
    await Promise.all(readers.map(reader => reader.next()));

    await until(async () => (await listening()) === 0);
    await store.close();
  });

  it('outlive a database that is down for a while, and tell of each read that failed', async () => {
    const proxy = await createProxy(harness.url);
    const problems: Error[] = [];
    const pool = new pg.Pool({ connectionString: proxy.url });
    pool.on('error', () => undefined);
    const onRetry = (error: Error) => problems.push(error);
    const store = createPostgresEventStore({
      pool,
      listen: { connectionString: proxy.url },
      pollIntervalMs: 5,
      onRetry,
    });
    const { store: writer } = harness.openWith();
    const event = sampleConnector().fact();
    const seen: string[] = [];

    await follow(store, { after: await store.head() }, async page => {
      if (page.events.length === 0) {
        await proxy.stop();
        // The pool cannot answer before this page is taken, so the failures come afterwards.
        void until(async () => problems.some(({ message }) => message.includes('ECONNREFUSED')))
          .then(() => writer.append([event]))
          .then(proxy.start);
      }
      return seen.push(...idsOf(page.events)) > 0;
    });

    expect(seen).toEqual([event.id]);
    expect(problems.map(({ message }) => message)).toContainEqual(expect.stringContaining('ECONNREFUSED'));
    await Promise.all([store.close(), writer.close()]);
    await pool.end();
    await proxy.stop();
  });

  it('end with an error when the database refuses for good', async () => {
    const { store, pool } = harness.openWith({ listen: false, pollIntervalMs: 5 });
    const owner = await harness.connect();

    const following = follow(store, { after: await store.head() }, async () => {
      await owner.query('ALTER TABLE connector_event RENAME TO hidden');
      return false;
    });

    await expect(following).rejects.toMatchObject({ code: 'DATABASE_NOT_MIGRATED' });
    await owner.query('ALTER TABLE hidden RENAME TO connector_event');
    await owner.end();
    expect(pool.idleCount).toBe(pool.totalCount);
    await store.close();
  });
});

describe('notifications', () => {
  it('are sent once an append, and only when something new was stored', async () => {
    const { store } = harness.openWith();
    const listener = await harness.connect();
    const heard: string[] = [];
    listener.on('notification', ({ channel }) => heard.push(channel));
    await listener.query('LISTEN connector_event');
    const connector = sampleConnector();
    const batch = many(10, () => connector.fact());

    await store.append(batch);
    await store.append(batch);
    await store.append([connector.hit()]);
    // Delivered with the answer to this, for it was sent before.
    await listener.query('SELECT 1');

    expect(heard).toEqual(['connector_event', 'connector_event']);
    await listener.end();
    await store.close();
  });
});
