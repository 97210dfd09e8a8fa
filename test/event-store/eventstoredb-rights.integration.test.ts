/** What a user may not do is told before it is needed, and what is told is what must be granted. */
import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client';
import { describe, expect, it } from '@jest/globals';
import { silentLogger } from '../../src/base/logging.js';
import { checkDeadLetters, checkEventStore } from '../../src/cli/doctor/event-checks.js';
import { openEventStore } from '../../src/composition/event-stores.js';
import { grantsFor, rightsNeeded } from '../../src/event-store/eventstoredb/index.js';
import { copyLog } from '../../src/event-store/transfer/copy.js';
import type { Position } from '../../src/events/event.js';
import { createPool } from '../../src/postgres/pool.js';
import { createProjector } from '../../src/projector/index.js';
import { many, sampleConnector } from '../contract/sample-events.js';
import { createHarness } from '../projector/harness.js';
import { createTestDatabase } from '../support/database.js';
import { closing, givenServer, givenStore } from './eventstoredb-support.js';

const USERS = { admin: 'secret', app: { password: 'pw' } };
const withUser = (url: string, user: string) => url.replace('://', `://${user}@`);

async function givenSecuredServer() {
  const server = await givenServer({ tls: true, users: USERS });
  const admin = EventStoreDBClient.connectionString(withUser(server.url, 'admin:secret'));
  closing({ close: () => admin.dispose() });
  const open = async () =>
    closing(
      await openEventStore(withUser(server.url, 'app:pw'), {
        poolSize: 1,
        namedStatements: true,
        log: silentLogger,
        hitsMaxAgeMs: 500,
      }),
    );
  const settings = (acl: unknown) =>
    admin.appendToStream('$settings', jsonEvent({ type: 'update-default-acl', data: acl as never }));
  return { server, admin, open, settings };
}

describe('the doctor', () => {
  it('rehearses reading and writing, names the server, and leaves nothing behind', async () => {
    const server = await givenServer();
    const before = server.log.events.length;
    const opened = closing(
      await openEventStore(server.url, {
        poolSize: 1,
        namedStatements: true,
        log: silentLogger,
        hitsMaxAgeMs: 0,
      }),
    );

    const { status, message } = await checkEventStore(opened);

    expect(status).toBe('ok');
    expect(message).toMatch(
      /^EventStoreDB 24\.2\.0 at localhost:\d+ answers, and may be read and written; it is empty$/,
    );
    expect(server.log.events).toHaveLength(before);
  });

  it('says what a user may not do, until what it prints is granted', async () => {
    const { server, open, settings } = await givenSecuredServer();
    const before = await checkEventStore(await open());
    expect(before).toMatchObject({ status: 'fail', remedy: expect.stringContaining('--store-rights') });
    expect(before.message).toMatch(/read \$all \(access denied/);

    // Reads everything, and may write to nobody's stream.
    await settings({
      $userStreamAcl: { $r: '$all', $w: '$admins', $d: '$admins', $mr: '$all', $mw: '$admins' },
      $systemStreamAcl: { $r: ['$admins', 'app'], $w: '$admins' },
    });
    const readOnly = await checkEventStore(await open());
    expect(readOnly.status).toBe('fail');
    expect(readOnly.message).toMatch(/append to connector_state-.*access denied/);
    expect(readOnly.message).not.toMatch(/read \$all \(access/);

    await settings(grantsFor('app').settings);
    expect(await checkEventStore(await open())).toMatchObject({ status: 'ok' });
    const store = givenStore({ url: withUser(server.url, 'app:pw') });
    const connector = sampleConnector();
    await store.append([connector.fact(), connector.hit()]);
    expect(await store.readAll({ limit: 9 })).toHaveLength(2);
    expect(store.warnings).toEqual([]);
  });

  it('prints rights for each thing that is done', () => {
    expect(rightsNeeded(false).map(({ stream }) => stream)).toHaveLength(2);
    expect(rightsNeeded(true).flatMap(({ roles }) => roles)).toEqual(['$r', '$w', '$r', '$mr', '$mw']);
  });
});

describe('a server that takes less at once than it does by itself', () => {
  it('is sent less at once, and every event is stored once and in order', async () => {
    const server = await givenServer();
    server.log.maxAppendBytes = 1_000;
    const store = givenStore(server);
    const [a, b] = [sampleConnector(), sampleConnector()];
    const events = many(40, index => (index % 3 === 0 ? b : a).fact());

    await store.append(events);

    for (const { stateStream } of [a, b]) {
      const stored = (await store.readStream(stateStream)).map(({ id }) => id);
      expect(stored).toEqual(events.filter(({ stream }) => stream === stateStream).map(({ id }) => id));
    }
    // Raised again, the limit is found again: in place of an event a round trip for the rest of the process's life.
    server.log.maxAppendBytes = 1_048_576;
    const sizes: number[] = [];
    const append = server.log.append.bind(server.log);
    server.log.append = (stream, expected, stored) => {
      sizes.push(stored.length);
      return append(stream, expected, stored);
    };
    for (let i = 0; i < 200; i++) await store.append([a.hit()]);
    sizes.length = 0;
    await store.append(many(40, () => a.fact()));
    expect(sizes).toEqual([40]);

    server.log.maxAppendBytes = 10;
    await expect(store.append([a.fact()])).rejects.toMatchObject({
      message: expect.stringContaining('larger than the server takes'),
      refused: new Map([[a.stateStream, expect.stringContaining('larger than the server takes')]]),
    });
  });
});

describe('what somebody else wrote', () => {
  it('is retention metadata that says nothing, and hits are let go all the same', async () => {
    const server = await givenServer();
    const client = EventStoreDBClient.connectionString(server.url);
    closing({ close: () => client.dispose() });
    const connector = sampleConnector();
    await client.appendToStream(
      `$$${connector.hitsStream}`,
      jsonEvent({ type: '$metadata', data: null as never }),
    );
    const store = givenStore(server);
    await store.append([connector.hit(), connector.hit(), connector.hit()]);
    await store.append([connector.fact()]);
    const until = (await store.last())?.position as Position;

    expect(await store.dropForgotten?.({ before: Date.now() + 3_600_000, until })).toBe(2);

    expect((await client.getStreamMetadata(connector.hitsStream)).metadata).toMatchObject({
      truncateBefore: 2,
    });
  });

  it('is a dead letter that is told apart from ours, and dismissed for good', async () => {
    const [server, database] = [await givenServer(), await createTestDatabase()];
    const pool = createPool({ connectionString: database.url, max: 4, log: silentLogger });
    closing({ close: () => pool.end().then(() => database.drop()) });
    const store = givenStore(server);
    const connector = sampleConnector();
    const ours = connector.fact();
    await store.append([ours]);
    const foreign = {
      id: crypto.randomUUID(),
      type: 'ConnectorSynced',
      contentType: 'application/json',
      data: Buffer.from('{"offsetMs":"soon"}'),
      metadata: Buffer.alloc(0),
    };
    server.log.append(connector.stateStream, 'any', [
      foreign,
      // By a release of ours that is broken: it has an envelope.
      { ...foreign, id: crypto.randomUUID(), metadata: Buffer.from('{"host":"ip-1/7","schemaVersion":3}') },
    ]);
    const projector = createProjector({ store, pool });
    await projector.catchUp();

    const letters = await projector.deadLetters();
    expect(
      new Set(
        letters.map(({ eventId, isForeign, host }) => [eventId === foreign.id, isForeign, host].join()),
      ),
    ).toEqual(new Set(['true,true,', 'false,false,ip-1/7']));
    expect(await checkDeadLetters(projector)).toMatchObject({
      status: 'warn',
      message: expect.stringContaining("of them another program's"),
    });

    expect(await projector.dismissDeadLetters('foreign')).toBeGreaterThan(0);
    await projector.rebuild();
    await projector.catchUp();

    const left = await projector.deadLetters();
    expect(left.length).toBeGreaterThan(0);
    expect(left.filter(({ isForeign }) => isForeign)).toEqual([]);
    expect(await projector.replayDeadLetters()).toEqual({ replayed: left.length, remaining: left.length });
    const [{ eventId = '' } = {}] = left;
    await projector.dismissDeadLetters({ eventId });
    expect(await checkDeadLetters(projector)).toMatchObject({ status: 'ok' });
    expect(await projector.deadLetters({ dismissed: true })).toHaveLength(letters.length);
    expect(await projector.dismissDeadLetters('foreign', { undo: true })).toBeGreaterThan(0);
    expect(await checkDeadLetters(projector)).toMatchObject({
      remedy: expect.stringContaining('--dismiss foreign'),
    });
  });

  it('is copied as it is when it is no object in JSON, by way of PostgreSQL too', async () => {
    const [from, to] = [await givenServer(), await givenServer()];
    const harness = closing(await createHarness());
    const texts = [
      '',
      'null',
      '7',
      '"text"',
      '[1]',
      '{"broken',
      '{"a":"\\u0000"}',
      '{"a":"\\ud800"}',
      '{"a":1}',
    ];
    const contents = [Buffer.from([0, 255, 1, 254]), ...texts.map(text => Buffer.from(text))];
    const { stateStream } = sampleConnector();
    from.log.append(
      stateStream,
      'any',
      contents.map(data => ({
        id: crypto.randomUUID(),
        type: 'Foreign',
        contentType: 'application/octet-stream',
        data,
        metadata: Buffer.from('{"schemaVersion":9007199254740991}'),
      })),
    );

    const there = await copyLog({ from: givenStore(from), to: harness.store as never });
    const back = await copyLog({ from: harness.store as never, to: givenStore(to) });

    expect([there, back]).toMatchObject([{ equal: true }, { equal: true }]);
    expect(to.log.recorded.map(event => Buffer.from(event.data))).toEqual(contents);
    const [binary, json] = ['application/octet-stream', 'application/json'];
    expect(to.log.recorded.map(({ contentType }) => contentType)).toEqual([
      ...[binary, binary],
      ...['null', '7', '"text"', '[1]'].map(() => json),
      binary,
      ...many(3, () => json),
    ]);
  });
});
