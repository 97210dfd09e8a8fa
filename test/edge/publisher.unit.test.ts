/** What is published when, and what becomes of a store that refuses. */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  ClockPublisher,
  cloudflareKv,
  decodeClock,
  keyOfClock,
  type PublishedClock,
} from '../../src/edge/index.js';

const START_MS = 1_795_000_000_000;
const CLOCK: PublishedClock = {
  exchange: 'BYBIT',
  environment: 'MAINNET',
  scope: 'default',
  estimate: { offsetMs: 120, uncertaintyMs: 5, atMs: START_MS, rate: { ratePpm: 3, boundPpm: 2 } },
  epoch: 4,
  isValid: true,
};

function given(clock: PublishedClock = CLOCK) {
  const world = { clock, nowMs: START_MS, puts: [] as string[], fails: false };
  const publisher = new ClockPublisher({
    read: async () => [world.clock],
    now: () => world.nowMs,
    store: {
      async put(key, value, { expirationTtl }) {
        if (world.fails) throw new Error('429');
        expect(expirationTtl).toBe(3_600);
        expect(key).toBe(keyOfClock(CLOCK));
        world.puts.push(value);
      },
    },
  });
  return { world, publisher };
}

describe('publishing clocks', () => {
  it('writes what is read again the same', async () => {
    const { world, publisher } = given();
    await publisher.publish();
    expect(decodeClock(world.puts[0], CLOCK)).toEqual({ clock: CLOCK });
  });

  it('writes a clock again when it has changed, or before the store drops it', async () => {
    const { world, publisher } = given();
    const at = (minutes: number, change: Partial<PublishedClock> = {}) => {
      world.nowMs = START_MS + minutes * 60_000;
      const estimate = { ...CLOCK.estimate, offsetMs: 120, atMs: world.nowMs };
      world.clock = { ...world.clock, estimate, ...change };
      return publisher.publish().then(({ written }) => written);
    };
    expect(await at(0)).toBe(1);
    expect(await at(1)).toBe(0);
    expect(await at(23)).toBe(0);
    expect(await at(24)).toBe(1);
    expect(await at(25, { isValid: false })).toBe(1);
    expect(await at(26)).toBe(0);
    expect(await at(27, { isValid: true, epoch: 5 })).toBe(1);
    const stepped = { ...CLOCK.estimate, offsetMs: 900, atMs: START_MS + 28 * 60_000 };
    expect(await at(28, { estimate: stepped })).toBe(1);
  });

  it('tells what could not be written, and tries it again', async () => {
    const { world, publisher } = given();
    world.fails = true;
    expect(await publisher.publish()).toEqual({
      written: 0,
      unchanged: 0,
      failed: [{ key: keyOfClock(CLOCK), problem: '429' }],
    });
    world.fails = false;
    expect(await publisher.publish()).toMatchObject({ written: 1, failed: [] });
  });
});

describe('Workers KV over HTTP', () => {
  let status = 200;
  const seen: {
    method?: string | undefined;
    url?: string | undefined;
    authorization?: string | undefined;
    body: string;
  }[] = [];
  const server = http.createServer(async (request, response) => {
    let body = '';
    for await (const part of request) body += part;
    seen.push({
      method: request.method,
      url: request.url,
      authorization: request.headers.authorization,
      body,
    });
    response.writeHead(status).end('{"success":true}');
  });
  let apiUrl = '';
  beforeAll(async () => {
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    apiUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/client/v4`;
  });
  afterAll(() => void server.close());
  const store = () => cloudflareKv({ accountId: 'acc', namespaceId: 'ns', apiToken: 'tokenXYZ', apiUrl });

  it('puts a key as Cloudflare documents it', async () => {
    await store().put('connector-state/clock/A/B/c', 'text', { expirationTtl: 600 });
    expect(seen.at(-1)).toEqual({
      method: 'PUT',
      url: '/client/v4/accounts/acc/storage/kv/namespaces/ns/values/connector-state%2Fclock%2FA%2FB%2Fc?expiration_ttl=600',
      authorization: 'Bearer tokenXYZ',
      body: 'text',
    });
  });

  it.each([
    [403, /may edit Workers KV/],
    [404, /namespace/],
    [429, /too many writes/],
    [500, /later/],
  ])('says what to do about %i, and never the token', async (code, remedy) => {
    status = code;
    const error = await store()
      .put('k', 'v', { expirationTtl: 60 })
      .catch(it => it);
    expect(error).toMatchObject({ code: 'PUBLISHING_FAILED', message: expect.stringMatching(remedy) });
    expect(error.message).not.toContain('tokenXYZ');
  });

  it('says by what code the network failed, and nothing of what was sent', async () => {
    const gone = http.createServer();
    await new Promise<void>(resolve => gone.listen(0, '127.0.0.1', resolve));
    const { port } = gone.address() as AddressInfo;
    await new Promise(resolve => gone.close(resolve));
    const nobody = cloudflareKv({
      accountId: 'acc',
      namespaceId: 'ns',
      apiToken: 'tokenXYZ',
      apiUrl: `http://127.0.0.1:${port}`,
    });
    const error = await nobody.put('k', 'v', { expirationTtl: 60 }).catch(it => it);
    expect(error).toMatchObject({
      code: 'PUBLISHING_FAILED',
      message: expect.stringMatching(/no answer \(ECONNREFUSED\)/),
    });
    expect(error.message).not.toContain('TypeError');
    expect(error.message).not.toContain('tokenXYZ');
  });

  it.each(['"tokenXYZ"', 'tokenXYZ\n', 'token XYZ', 'tökenXYZ', ''])(
    'refuses at once a token that is none, and does not repeat it: %j',
    apiToken => {
      const make = () => cloudflareKv({ accountId: 'acc', namespaceId: 'ns', apiToken });
      expect(make).toThrow('CLOUDFLARE_API_TOKEN');
      expect(make).not.toThrow('XYZ');
    },
  );
});
