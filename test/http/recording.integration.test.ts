/** What a caller tells is durable when it is answered, stored once, and visible to who asks for at least that. */
import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { syncedEvent } from './facts.js';
import { givenServer, type TestServer } from './support.js';

let server: TestServer;
beforeAll(async () => {
  server = await givenServer({ keep: true });
});

let users = 0;
/** A connector that no other test knows. */
const newRef = () => ({
  exchange: 'BYBIT',
  environment: 'TESTNET',
  userId: `user${++users}`,
  credentialId: 'main',
});
type Ref = ReturnType<typeof newRef>;
const pathOf = (ref: Ref) =>
  `/v1/connectors/${ref.exchange}/${ref.environment}/${ref.userId}/${ref.credentialId}`;
const post = (url: string, payload: object, as = 'writer') =>
  server.ask({ method: 'POST', url, payload }, as);
const project = async () => (await server.state.projector()).catchUp();

async function sync(ref: Ref, id: string = randomUUID(), more: object = {}) {
  const { body } = await server.ask(`${pathOf(ref)}/state?peek=true`, 'reader');
  const { clock, sentAtMs } = body.reference;
  return post(`${pathOf(ref)}/syncs`, {
    id,
    trigger: 'absent',
    offsetMs: 250,
    uncertaintyMs: 5,
    roundTripMs: 10,
    samples: 1,
    referenceClock: clock,
    measuredAt: Math.round(sentAtMs),
    ...more,
  });
}

describe('a sync', () => {
  it('that no row could show is refused, and is no dead letter', async () => {
    const { status, body } = await sync(newRef(), randomUUID(), { samples: 2 ** 31 });
    expect({ status, code: body.code }).toEqual({ status: 422, code: 'INVALID_EVENT' });
    expect(body.detail).toMatch(/samples: a row holds 2147483647 at most, got 2147483648$/);
    expect((await sync(newRef(), randomUUID(), { samples: 2 ** 31 - 1 })).status).toBe(201);
    await project();
    expect(await (await server.state.projector()).deadLetters()).toEqual([]);
  });

  it('is what the next lookup answers, for who waits for its position', async () => {
    const ref = newRef();
    const id = randomUUID();
    const { status, body } = await sync(ref, id);
    expect({ status, body }).toMatchObject({
      status: 201,
      body: { events: [{ id, version: 1, isNew: true }] },
    });
    await project();

    const read = await server.ask(
      `${pathOf(ref)}/state?atLeast=${encodeURIComponent(body.position)}`,
      'reader',
    );
    expect(read.body).toMatchObject({ hit: true, state: { syncId: id, offsetMs: 250, basis: 'measured' } });
  });

  it('has an ETag of its stream, which another sync changes', async () => {
    const ref = newRef();
    await sync(ref);
    await project();
    // Not from the memory of this process, which knows what it was told but not where that lies.
    const read = (headers: Record<string, string> = {}) =>
      server.ask({ method: 'GET', url: `${pathOf(ref)}/state?peek=true`, headers }, 'reader');
    const first = await read();
    const etag = first.headers.etag as string;
    expect(etag).toMatch(/^W\/"1-/);
    expect(await read({ 'if-none-match': etag })).toMatchObject({ status: 304, body: '' });
    expect(await read({ 'if-none-match': `"other", ${etag.slice(2)}` })).toMatchObject({ status: 304 });
    await sync(ref, randomUUID(), { offsetMs: 251 });
    await project();
    const second = await read({ 'if-none-match': etag });
    expect(second).toMatchObject({ status: 200, headers: { etag: expect.stringMatching(/^W\/"2-/) } });
  });

  it('is stored once, however often it is told', async () => {
    const ref = newRef();
    const id = randomUUID();
    await sync(ref, id);
    const again = await sync(ref, id);
    expect(again).toMatchObject({ status: 201, body: { events: [{ id, version: 1, isNew: false }] } });
    const { body } = await server.ask(`/v1/users/${ref.userId}/credentials/main/history`, 'reader');
    expect(body.events).toHaveLength(1);
    // One key is one witness of the exchange's clock, whatever it calls its functions.
    expect(body.events[0].host).toBe('test:writer');
  });

  it('of the future is refused with the reason, where somebody hears it', async () => {
    const { status, body } = await sync(newRef(), randomUUID(), { measuredAt: Date.now() + 3_600_000 });
    expect(status).toBe(422);
    expect(body).toMatchObject({ code: 'INVALID_EVENT', errors: [{ pointer: '/body' }] });
    expect(body.detail).toMatch(/measuredAt: \d+ ms after the event was recorded$/);
  });

  it('cannot be about anybody but the connector of the path, nor carry a field that is none', async () => {
    const told = await sync(newRef(), randomUUID(), { userId: 'mallory', apiKey: 'k' });
    expect(told).toMatchObject({ status: 400, body: { code: 'INVALID_INPUT' } });
  });
});

describe('an invalidation', () => {
  it('holds for this process at once, also before it is projected, and only for the sync it names', async () => {
    const ref = newRef();
    const id = randomUUID();
    await sync(ref, id);
    await project();
    const before = await server.ask(`${pathOf(ref)}/state`, 'reader');
    expect(before.body.hit).toBe(true);

    const { state } = before.body;
    const told = await post(`${pathOf(ref)}/invalidations`, {
      id: randomUUID(),
      reason: 'manual',
      condemnedSyncId: id,
      condemnedMeasuredAt: state.measuredAtMs,
      referenceClock: state.referenceClock,
    });
    expect(told.status).toBe(201);

    const after = await server.ask(`${pathOf(ref)}/state`, 'reader');
    expect(after.body).toMatchObject({ hit: false, reason: 'invalid' });
    const { body } = await server.ask(`/v1/users/${ref.userId}/credentials/main/history?limit=1`, 'analyst');
    expect(body.events[0]).toMatchObject({ type: 'ConnectorStateInvalidated', data: { by: 'test:writer' } });
    expect(body.next).toBeDefined();
  });
});

describe('a batch', () => {
  it('is appended whole or not at all, and again without effect', async () => {
    const [a, b] = [newRef(), newRef()];
    const events = [syncedEvent(a, randomUUID()), syncedEvent(b, randomUUID())];
    const first = await post('/v1/events', { events });
    const again = await post('/v1/events', { events });
    expect(first.body.events.map((event: { isNew: boolean }) => event.isNew)).toEqual([true, true]);
    expect(again.body.events.map((event: { isNew: boolean }) => event.isNew)).toEqual([false, false]);

    const c = newRef();
    const broken = await post('/v1/events', {
      events: [syncedEvent(c, randomUUID()), syncedEvent(c, randomUUID(), { ttlMs: 0 })],
    });
    expect(broken.status).toBe(400);
    const { body } = await server.ask(`/v1/users/${c.userId}/credentials/main/history`, 'reader');
    expect(body.events).toEqual([]);
  });

  it('of facts about another user is nothing that exists, for a bound token', async () => {
    const ref = newRef();
    const events = [syncedEvent(ref, randomUUID()), syncedEvent(newRef(), randomUUID())];
    expect(await post('/v1/events', { events }, `writer@${ref.userId}`)).toMatchObject({ status: 404 });
    expect(await post('/v1/events', { events: events.slice(0, 1) }, `writer@${ref.userId}`)).toMatchObject({
      status: 201,
    });
  });
});

describe('hits and refusals', () => {
  it('are counted where they belong', async () => {
    const ref = newRef();
    const nowMs = Date.now();
    const hits = { id: randomUUID(), tier: 'memory', count: 3, firstAt: nowMs - 50, lastAt: nowMs };
    expect(await post(`${pathOf(ref)}/hits`, hits)).toMatchObject({ status: 201 });
    const refused = { id: randomUUID(), exchangeCode: '10002', failureClass: 'timestamp' };
    expect(await post(`${pathOf(ref)}/auth-failures`, refused)).toMatchObject({ status: 201 });
    const { body } = await server.ask(
      `/v1/users/${ref.userId}/credentials/main/history?order=oldest`,
      'reader',
    );
    expect(body.events.map((event: { type: string }) => event.type)).toEqual([
      'ConnectorStateHit',
      'ConnectorAuthFailed',
    ]);
  });
});

describe('many states', () => {
  it('come in the order asked, with one sample of the reference clock', async () => {
    const refs = [newRef(), newRef(), newRef()];
    const id = randomUUID();
    await sync(refs[1] as Ref, id);
    await project();
    const { status, body } = await post('/v1/states', { connectors: refs, nonce: 'abc' }, 'reader');
    expect(status).toBe(200);
    expect(body.nonce).toBe('abc');
    expect(body.reference.clock).toMatch(/^pg:/);
    expect(body.states.map((state: { hit: boolean }) => state.hit)).toEqual([false, true, false]);
    expect(body.states[1].state.syncId).toBe(id);
    expect(
      (await post('/v1/states', { connectors: Array.from({ length: 1_001 }, newRef) }, 'reader')).status,
    ).toBe(400);
  });
});

describe("the exchange's clock", () => {
  it('is an interval that contains what was measured, and carries the nonce and both server times', async () => {
    const ref = { ...newRef(), exchange: 'BINGX' };
    const missing = await server.ask('/v1/clock/BINGX/TESTNET?nonce=n1', 'reader');
    expect(missing.status).toBe(404);
    await sync(ref);
    await project();
    const { status, body, headers } = await server.ask('/v1/clock/BINGX/TESTNET?nonce=n2', 'reader');
    expect(status).toBe(200);
    expect(headers['cache-control']).toBe('no-store');
    expect(body).toMatchObject({ nonce: 'n2', now: { status: 'synchronized' } });
    expect(body.now.latestMs).toBeGreaterThan(body.now.earliestMs);
    expect(body.server.sentAtMs).toBeGreaterThanOrEqual(body.server.receivedAtMs);
    expect((await server.ask('/v1/clock/BINGX/TESTNET', 'reader')).status).toBe(400);
  });
});

describe('the state at a time', () => {
  it('is what the events up to then say', async () => {
    const ref = newRef();
    const id = randomUUID();
    await sync(ref, id);
    const path = `/v1/users/${ref.userId}/credentials/main`;
    const { body: history } = await server.ask(`${path}/history`, 'reader');
    const at = history.events[0].recordedAt as number;
    expect(await server.ask(`${path}/state-at?time=${Math.ceil(at)}`, 'reader')).toMatchObject({
      status: 200,
      body: { syncId: id, isUsable: true },
    });
    expect(await server.ask(`${path}/state-at?time=2020-01-01T00:00:00Z`, 'reader')).toMatchObject({
      status: 404,
    });
    expect(await server.ask(`${path}/state-at?time=yesterday`, 'reader')).toMatchObject({ status: 400 });
  });
});
