/** The client against the running service, over a socket. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { type ApiError, type Client, type ConnectorRef, createClient } from '../../src/client/index.js';
import { givenServer, type TestServer } from '../http/support.js';
import { closing, keepForFile } from '../support/world.js';

let server: TestServer;
let url: string;
beforeAll(async () => {
  server = await givenServer();
  url = await server.server.listen({ host: '127.0.0.1', port: 0 });
  keepForFile();
});
const as = (token: string, more: object = {}): Client => createClient({ baseUrl: url, token, ...more });
let users = 0;
const newRef = (): ConnectorRef => ({
  exchange: 'BYBIT',
  environment: 'TESTNET',
  userId: `client_${++users}/ü`,
  credentialId: 'a b?',
});
const catchUp = async () => (await server.state.projector()).catchUp();

describe('a state', () => {
  it('that one caller measured is an offset for another, whose clock is seconds off, within what it says', async () => {
    const ref = newRef();
    const trueOffsetMs = 1_234.5;
    const trueNow = () => performance.timeOrigin + performance.now();
    const writer = as('writer');
    const before = await writer.state(ref);
    expect(before).toMatchObject({ hit: false, reason: 'absent', offset: undefined });
    const sentAtMs = trueNow();
    const sample = {
      sentAtMs,
      receivedAtMs: sentAtMs + 4,
      serverTimeMs: Math.floor(sentAtMs + 2 + trueOffsetMs),
    };
    const told = await writer.recordSample(ref, sample, before, 'absent');
    await catchUp();

    const aheadMs = 7_000;
    const reader = as('reader', { now: () => trueNow() + aheadMs });
    const found = await reader.state(ref, { atLeast: told?.position });
    expect(found.hit).toBe(true);
    const { offsetMs, uncertaintyMs } = found.offset as NonNullable<typeof found.offset>;
    expect(Math.abs(offsetMs - (trueOffsetMs - aheadMs))).toBeLessThanOrEqual(uncertaintyMs);

    const [one, other] = await reader.states([ref, newRef()]);
    expect(one).toMatchObject({ hit: true, offset: { offsetMs: expect.any(Number) } });
    // Nothing of its own, but the exchange's clock is known.
    expect(other).toMatchObject({ hit: false, offset: { offsetMs: expect.any(Number) } });

    const time = await reader.exchangeTime('BYBIT', 'TESTNET');
    expect(Math.abs(time.offsetMs - (trueOffsetMs - aheadMs))).toBeLessThanOrEqual(time.uncertaintyMs);
    expect(time.status).toBe('synchronized');

    if (!found.hit) throw new Error('a hit');
    await writer.invalidate(ref, found.state, 'timestamp-refused');
    expect(await reader.state(ref)).toMatchObject({ hit: false, reason: 'invalid' });
    const { events } = await reader.history(ref);
    expect(events.map(({ type }) => type)).toEqual(['ConnectorStateInvalidated', 'ConnectorSynced']);
  });

  it('out of a cache on the way is no sample of any clock', async () => {
    const ref = newRef();
    const kept = await (
      await fetch(`${url}/v1/connectors/BYBIT/TESTNET/x/y/state?nonce=old`, {
        headers: { authorization: 'Bearer reader' },
      })
    ).text();
    const cache = await listening(createServer((_, response) => response.end(kept)));
    const found = await createClient({ baseUrl: cache }).state(ref);
    expect(found).toMatchObject({ offset: undefined, link: undefined });
  });
});

describe('a refusal', () => {
  it('has the code, the fields and the instance, and is not repeated', async () => {
    const refused = async (call: Promise<unknown>) =>
      call.then(
        () => undefined,
        (error: ApiError) => error,
      );
    expect(await refused(as('nobody').stats())).toMatchObject({ status: 401, code: 'UNAUTHENTICATED' });
    expect(await refused(as('reader').stats())).toMatchObject({ status: 403, code: 'FORBIDDEN' });
    const bad = await refused(as('reader').state({ ...newRef(), exchange: 'not an exchange' }));
    expect(bad).toMatchObject({
      status: 400,
      errors: [{ pointer: '/params/exchange' }],
      instance: expect.any(String),
    });
    expect(await refused(as('reader@mallory').state(newRef()))).toMatchObject({ status: 404 });
  });

  it('that may pass is waited out, as long as the service says', async () => {
    let asked = 0;
    const busy = await listening(
      createServer((_, response) => {
        asked++;
        if (asked < 3)
          response.writeHead(503, { 'retry-after': '0' }).end('{"code":"OVERLOADED","detail":"busy"}');
        else response.end('{"removed":1}');
      }),
    );
    expect(await createClient({ baseUrl: busy }).cleanup()).toEqual({ removed: 1 });
    expect(asked).toBe(3);
  });

  it('of nobody says where nobody was, and a job is begun once', async () => {
    const gone = createServer();
    const nowhere = await listening(gone);
    gone.close();
    let attempts = 0;
    const counting: typeof fetch = (...given) => {
      attempts++;
      return fetch(...given);
    };
    const client = createClient({ baseUrl: nowhere, fetch: counting, retries: 1 });
    await expect(client.stats()).rejects.toMatchObject({
      status: 0,
      code: 'UNREACHABLE',
      message: expect.stringMatching(
        /^http\S+: it cannot be reached \(ECONN\w+\): start the service there, or correct/,
      ),
    });
    expect(attempts).toBe(2);
    await expect(client.rebuild()).rejects.toMatchObject({ code: 'UNREACHABLE' });
    expect(attempts).toBe(3);
  });
});

describe('lists, analytics and operations', () => {
  it('are all there', async () => {
    const operator = as('operator');
    expect((await operator.connectors({ user: 'client_' })).connectors.length).toBeGreaterThan(0);
    expect((await operator.drift({ from: '2h' })).buckets.length).toBeGreaterThan(0);
    expect((await operator.usage({ from: '2h' })).bucketMs).toBe(3_600_000);
    const ref = { exchange: 'BYBIT', environment: 'TESTNET', userId: 'warm', credentialId: 'main' } as const;
    expect(await operator.warmUp([ref], { aheadMs: 1 })).toMatchObject({ isStored: true });
    expect(await operator.stats()).toMatchObject({ total: expect.any(Number) });
    expect((await operator.projections()).projections.length).toBeGreaterThan(3);
    expect(await operator.deadLetters()).toMatchObject({ total: 0 });
    expect(await operator.cleanup()).toEqual({ removed: 0 });
    const job = await operator.rebuild({ check: true });
    expect((await operator.job(job.id)).id).toBe(job.id);
    expect((await operator.jobs()).jobs).toHaveLength(1);
  });
});

async function listening(stub: Server): Promise<string> {
  await new Promise<void>(resolve => stub.listen(0, '127.0.0.1', resolve));
  closing({
    close: () => {
      stub.closeAllConnections();
      stub.close();
    },
  });
  return `http://127.0.0.1:${(stub.address() as AddressInfo).port}`;
}

describe('what cannot be asked', () => {
  const any = (value: unknown) => value as never;
  const SECRET = 'canary\nsecret';
  const codeOf = async (run: () => unknown): Promise<ApiError> => {
    try {
      await run();
    } catch (error) {
      return error as ApiError;
    }
    throw new Error('nothing was thrown');
  };

  it.each<[string, unknown, RegExp]>([
    ['no options', undefined, /must be an object, got undefined/],
    ['none of them', {}, /baseUrl must be the service's http or https URL/],
    ['another scheme', { baseUrl: 'ftp://x' }, /baseUrl must be/],
    ['no scheme', { baseUrl: '127.0.0.1:7077' }, /baseUrl must be/],
    ['a password', { baseUrl: 'http://u:canary@x' }, /must not hold a user or password/],
    ['a query', { baseUrl: 'http://x/?a=1' }, /must not have a query/],
    [
      'an option that nobody reads',
      { baseUrl: 'http://x', tokn: 'canary' },
      /has no option "tokn": it has .*token/,
    ],
    ['a token with a line break', { baseUrl: 'http://x', token: SECRET }, /token must be visible ASCII/],
    [
      'no time',
      { baseUrl: 'http://x', timeoutMs: Number.NaN },
      /timeoutMs must be a whole number from 1 .*got NaN/,
    ],
    [
      'a fraction of a retry',
      { baseUrl: 'http://x', retries: 0.5 },
      /retries must be a whole number from 0 to 100/,
    ],
  ])('is told when the client is made: %s', async (_, options, message) => {
    const error = await codeOf(() => createClient(any(options)));
    expect(error).toMatchObject({ name: 'ApiError', code: 'INVALID_INPUT', status: 0 });
    expect(error.message).toMatch(message);
    expect(`${error.message}${String(error.cause)}`).not.toContain('canary');
  });

  it('is told without a request, and a user that there is not yet is no user named undefined', async () => {
    const client = as('writer');
    const silent = as('writer', { fetch: () => Promise.reject(new Error('sent')), retries: 0 });
    const ref = newRef();
    const found = await client.state(ref);
    for (const userId of [undefined, null, 5, {}, '.', '..', '\ud800']) {
      const odd = { ...ref, userId: any(userId) };
      for (const run of [
        () => silent.state(odd),
        () => silent.recordAuthFailure(odd, { exchangeCode: '1', failureClass: 'unknown' }),
        () => silent.history(odd),
        () => silent.invalidateCurrent(odd),
      ]) {
        expect(await codeOf(run)).toMatchObject({
          code: 'INVALID_INPUT',
          message: expect.stringMatching(/userId/),
        });
      }
    }
    const circle: { self?: unknown } = {};
    circle.self = circle;
    for (const run of [
      () => silent.append([circle]),
      () => silent.append([{ id: 4n }]),
      () => silent.recordSample(ref, any(undefined), found, 'absent'),
      () => silent.invalidate(ref, any(undefined), 'manual'),
      () => silent.exchangeTime('..', any('..')),
      () => as(any(() => SECRET)).stats(),
    ]) {
      const error = await codeOf(run);
      expect(error).toMatchObject({ code: 'INVALID_INPUT', status: 0 });
      expect(`${error.message}${String(error.cause)}`).not.toContain('canary');
    }
  });
});
