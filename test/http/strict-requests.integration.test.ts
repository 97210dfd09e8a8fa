/** What a request gets wrong is said, and not passed over: parameters, methods, cursors. */
import { beforeAll, describe, expect, it } from '@jest/globals';
import { givenServer, type TestServer } from './support.js';

let server: TestServer;
beforeAll(async () => {
  server = await givenServer({ keep: true });
});

const STATE = '/v1/connectors/BYBIT/TESTNET/alice/main/state';

describe('a parameter that a route does not have', () => {
  it.each([
    ['/v1/connectors?userid=alice', 'userid'],
    ['/v1/analytics/usage?since=2026-01-01', 'since'],
    ['/v1/users/alice/credentials/main/history?from=2999-01-01', 'from'],
    ['/v1/events/feed?type=ConnectorSynced', 'type'],
    [`${STATE}?credentialId=other`, 'credentialId'],
  ])('is refused by its name: %s', async (url, name) => {
    const { status, body } = await server.ask({ method: 'GET', url }, 'operator');
    expect({ status, code: body.code }).toEqual({ status: 400, code: 'INVALID_INPUT' });
    expect(body.detail).toContain(`"${name}"`);
  });

  it('is refused wherever parameters are described', async () => {
    const { body } = await server.ask('/v1/openapi.json');
    const described = Object.entries(
      body.paths as Record<string, { get?: { parameters?: { in: string }[] } }>,
    )
      .filter(([, { get }]) => get?.parameters?.some(parameter => parameter.in === 'query'))
      .map(([path]) => path);
    expect(described.length).toBeGreaterThan(8);
    for (const path of described) {
      const url = `${path
        .replace('{exchange}', 'BYBIT')
        .replace('{environment}', 'TESTNET')
        .replaceAll(/\{\w+\}/g, 'a')}?bogus=1`;
      const { status, body: answer } = await server.ask({ method: 'GET', url }, 'operator');
      expect([path, status, JSON.stringify(answer.errors)]).toEqual([
        path,
        400,
        expect.stringContaining('bogus'),
      ]);
    }
  });
});

it.each([
  ['GET', '/v1/me?bogus=1'],
  ['GET', '/v1/projections?name=exchange_clock'],
  ['POST', '/v1/cleanup?dryRun=true'],
  ['POST', '/v1/users/alice/credentials/main/invalidate?syncId=1'],
] as const)('a parameter of a route that has none is refused too: %s %s', async (method, url) => {
  const { status, body } = await server.ask({ method, url }, 'operator');
  expect({ status, code: body.code }).toEqual({ status: 400, code: 'INVALID_INPUT' });
  expect(body.detail).toContain('this takes no parameter');
});

it('what monitors add so that no cache answers is passed over outside of the API', async () => {
  expect(await server.ask('/health/live?_=1700000000')).toMatchObject({ status: 200 });
});

describe('a method that a path does not take', () => {
  it.each([
    ['PUT', STATE, 'GET, HEAD'],
    ['HEAD', '/v1/events/feed', 'GET'],
    ['OPTIONS', STATE, 'GET, HEAD'],
    ['GET', '/v1/states', 'POST'],
    ['DELETE', '/health/live', 'GET, HEAD'],
  ])('is 405, with those that it takes: %s %s', async (method, url, allow) => {
    const { status, headers, body } = await server.ask({ method: method as 'GET', url }, 'operator');
    expect({ status, allow: headers.allow }).toEqual({ status: 405, allow });
    if (method !== 'HEAD') expect(body.code).toBe('METHOD_NOT_ALLOWED');
  });

  it('is 404 where there is no such path', async () => {
    expect((await server.ask({ method: 'PUT', url: '/v1/nothing' }, 'operator')).status).toBe(404);
  });
});

it('HEAD asks as GET does, and is answered without a body', async () => {
  for (const url of ['/health/live', '/health/ready', '/v1/stats', '/v1/connectors', '/metrics', STATE]) {
    const asked = await server.ask({ method: 'HEAD', url }, 'operator');
    const { status, headers } = await server.ask({ method: 'GET', url }, 'operator');
    expect([url, asked.status, asked.body]).toEqual([url, status, '']);
    expect(asked.headers['content-type']).toBe(headers['content-type']);
  }
  expect(await server.ask({ method: 'HEAD', url: '/v1/stats' }, 'nobody')).toMatchObject({ status: 401 });
});

it('a parameter that is missing is said to be, and what it takes', async () => {
  for (const [url, detail] of [
    ['/v1/clock/BYBIT/MAINNET', '/querystring/nonce: is missing'],
    ['/v1/analytics/clocks', /from: is missing: give a span that ends now \(90m, 24h, 7d, 2w\), a time/],
    ['/v1/analytics/clocks?from=yesterday', /from: must be a span that ends now .* or epoch milliseconds$/],
    ['/v1/activity?from=1h&until=2026-99-99', /until: must be a time \(2026-11-17T09:30:00Z\) or epoch/],
  ] as const) {
    const { status, body } = await server.ask({ method: 'GET', url }, 'operator');
    expect({ status, body }).toMatchObject({
      status: 400,
      body: { code: 'INVALID_INPUT', detail: expect.stringMatching(detail) },
    });
  }
});

it.each(['x', 'AAAA', 'zzzz', '////', 'YQ==', 'YV8', Buffer.from('a\n_b').toString('base64url')])(
  'a cursor that no page gave is refused: %s',
  async cursor => {
    const { status, body } = await server.ask(
      `/v1/connectors?cursor=${encodeURIComponent(cursor)}`,
      'operator',
    );
    expect({ status, code: body.code }).toEqual({ status: 400, code: 'INVALID_INPUT' });
  },
);
