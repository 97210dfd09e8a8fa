/** What a function in any language asks before it signs. */
import { describe, expect, it } from '@jest/globals';
import { linkOf } from '../../src/cache/lookup.js';
import { measuredFromSample } from '../../src/cache/measurement.js';
import { linkToSelf } from '../../src/clock/reference.js';
import type { ConnectorRef } from '../../src/events/connector.js';
import { type LookupAnswer, manyAnswer } from '../../src/http/schemas/state.js';
import { givenServer } from './support.js';

const REF: ConnectorRef = {
  exchange: 'BYBIT',
  environment: 'TESTNET',
  userId: 'alice',
  credentialId: 'main',
};
const PATH = '/v1/connectors/BYBIT/TESTNET/alice/main/state';

describe('GET …/state', () => {
  it('says why there is none, and then what was measured, with a sample of the reference clock', async () => {
    const { ask, state } = await givenServer();

    const before = await ask(`${PATH}?nonce=n-1`, 'reader');
    expect(before).toMatchObject({ status: 200, body: { hit: false, reason: 'absent', nonce: 'n-1' } });
    expect(before.headers['cache-control']).toBe('no-store');

    const lookup = await state.cache.get(REF);
    const nowMs = state.cache.clock.now();
    const sample = { sentAtMs: nowMs - 10, receivedAtMs: nowMs, serverTimeMs: nowMs + 1_000 };
    const measured = measuredFromSample(sample, linkOf(lookup), state.cache.clock, state.cache.ttl);
    state.cache.set(REF, measured, 'absent');

    const { body, status } = await ask(PATH, 'reader');
    expect(status).toBe(200);
    expect(body).toMatchObject({
      hit: true,
      tier: 'memory',
      state: { exchange: 'BYBIT', syncId: measured.syncId, offsetMs: measured.estimate.offsetMs },
      reference: { clock: measured.link.clockId },
    });
    expect(body.reference.sentAtMs).toBeGreaterThanOrEqual(body.reference.receivedAtMs);
  });

  it('counts no hit of a HEAD, nor of who only peeks, with a place in the log or without', async () => {
    const { ask, state } = await givenServer();
    const { cache } = state;
    const nowMs = cache.clock.now();
    const sample = { sentAtMs: nowMs - 10, receivedAtMs: nowMs, serverTimeMs: nowMs + 1_000 };
    const link = linkOf(await cache.get(REF));
    cache.set(REF, measuredFromSample(sample, link, cache.clock, cache.ttl), 'absent');
    const { position } = await cache.flush();
    const hits = async () => {
      await cache.flush();
      return (await cache.getStats()).totalHits;
    };

    for (const url of [`${PATH}?atLeast=${position}`, PATH]) {
      const head = await ask({ method: 'HEAD', url }, 'reader');
      expect(head).toMatchObject({ status: 200, headers: { etag: expect.any(String) } });
      const peek = await ask(`${url}${url === PATH ? '?' : '&'}peek=true`, 'reader');
      expect(peek.body).toMatchObject({ hit: true });
      const payload = { connectors: [REF], peek: true, ...(url !== PATH && { atLeast: position }) };
      await ask({ method: 'POST', url: '/v1/states', payload }, 'reader');
    }
    expect(await hits()).toBe(0);

    await ask(PATH, 'reader');
    expect(await hits()).toBe(1);
  });

  it('names what is wrong with a request', async () => {
    const { ask } = await givenServer();
    const { status, body, headers } = await ask('/v1/connectors/kraken/TESTNET/alice/main/state');
    expect(status).toBe(400);
    expect(headers['content-type']).toBe('application/problem+json');
    expect(body).toMatchObject({
      code: 'INVALID_INPUT',
      status: 400,
      errors: [{ pointer: '/params/exchange' }],
    });
  });
});

describe('POST /v1/states', () => {
  it('answers each as one lookup does, in the order asked, and as its schema says', async () => {
    const { ask, state } = await givenServer();
    const shared = linkOf(await state.cache.get(REF));
    const nowMs = state.cache.clock.now();
    const sample = { sentAtMs: nowMs - 10, receivedAtMs: nowMs, serverTimeMs: nowMs + 1_000 };
    const measure = (ref: ConnectorRef, link = shared) =>
      state.cache.set(ref, measuredFromSample(sample, link, state.cache.clock, state.cache.ttl), 'absent');
    // One by the database's clock, one with a name that JSON has to escape, one by this host's clock, one unknown.
    const odd = { ...REF, userId: '"\\ü😀' };
    const own = { ...REF, userId: 'own' };
    measure(REF);
    measure(odd);
    measure(own, linkToSelf(state.cache.clock));
    const connectors = [odd, { ...REF, userId: 'nobody' }, own, REF, odd];

    for (const peek of [false, true]) {
      const { status, headers, body } = await ask(
        { method: 'POST', url: '/v1/states', payload: { connectors, nonce: 'n"1', peek } },
        'reader',
      );
      expect(status).toBe(200);
      expect(headers['content-type']).toBe('application/json; charset=utf-8');
      expect(manyAnswer.strict().parse(body)).toEqual(body);
      expect(body).toMatchObject({ nonce: 'n"1', reference: { clock: shared?.clockId } });
      const singles = await Promise.all(
        connectors.map(async ({ userId }) => {
          const path = PATH.replace('alice', encodeURIComponent(userId));
          return (await ask(`${path}?peek=true`, 'reader')).body;
        }),
      );
      const clocks = singles.map(({ reference }) => reference?.clock);
      expect(body.states.map(({ reference: _, ...answer }: LookupAnswer) => answer)).toEqual(
        singles.map(({ reference: _, ...answer }) => answer),
      );
      expect(body.states.map(({ reference }: LookupAnswer) => reference?.clock)).toEqual(
        clocks.map(clock => (clock === shared?.clockId ? undefined : clock)),
      );
    }
  });
});

describe('the description', () => {
  it('is OpenAPI 3.1, for everybody', async () => {
    const { ask } = await givenServer();
    const { status, body } = await ask({
      method: 'GET',
      url: '/v1/openapi.json',
      headers: { authorization: '' },
    });
    expect(status).toBe(200);
    expect(body.openapi).toBe('3.1.0');
    expect(Object.keys(body.paths)).toContain(
      '/v1/connectors/{exchange}/{environment}/{userId}/{credentialId}/state',
    );
  });
});

it('each lookup, of one or of many, makes analyses give way, and nothing else does', async () => {
  const { ask, server } = await givenServer();
  let gaveWay = 0;
  Object.assign(server.analyses, { giveWay: () => (gaveWay += 1) });

  await ask(PATH, 'reader');
  const { exchange, environment, userId, credentialId } = REF;
  const connectors = [{ exchange, environment, userId, credentialId }];
  await ask({ method: 'POST', url: '/v1/states', payload: { connectors } }, 'reader');
  expect(gaveWay).toBe(2);
  await ask('/v1/analytics/usage', 'analyst');
  await ask('/v1/stats', 'analyst');

  expect(gaveWay).toBe(2);
});
