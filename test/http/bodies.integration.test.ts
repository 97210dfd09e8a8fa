/** What a body has to be, as clients in other languages send it: its type, its characters, its shape. */
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { givenServer, type TestServer } from './support.js';

let server: TestServer;
beforeAll(async () => {
  server = await givenServer({ keep: true });
});

const JSON_TYPE = { 'content-type': 'application/json' };
const post = (
  url: string,
  payload: string | Buffer | undefined,
  headers: Record<string, string> = JSON_TYPE,
) => server.ask({ method: 'POST', url, headers, ...(payload !== undefined && { payload }) }, 'operator');

const asking = (userId: string) =>
  JSON.stringify({
    connectors: [{ exchange: 'BYBIT', environment: 'TESTNET', userId, credentialId: 'main' }],
  });

describe('its type', () => {
  it.each([
    ['none', {}],
    ['text', { 'content-type': 'text/plain' }],
    ['what curl -d and urllib send', { 'content-type': 'application/x-www-form-urlencoded' }],
  ] as const)('is JSON, and the refusal says how: %s', async (_, headers) => {
    const { status, body } = await post('/v1/states', asking('alice'), { ...headers });
    expect({ status, code: body.code }).toEqual({ status: 415, code: 'UNSUPPORTED_MEDIA_TYPE' });
    expect(body.detail).toContain('Content-Type: application/json');
  });

  it.each(['application/json; charset=utf-8', 'Application/JSON;charset="UTF-8"'])(
    'may name the one charset of JSON: %s',
    async type => {
      expect(await post('/v1/states', asking('alice'), { 'content-type': type })).toMatchObject({
        status: 200,
      });
    },
  );

  it('is refused with another', async () => {
    const headers = { 'content-type': 'application/json; charset=iso-8859-1' };
    const { status, body } = await post('/v1/states', Buffer.from(asking('Zoë'), 'latin1'), headers);
    expect({ status, code: body.code }).toEqual({ status: 415, code: 'UNSUPPORTED_MEDIA_TYPE' });
    expect(body.detail).toContain('iso-8859-1');
  });

  it('of a compressed one is refused, and it is not called broken', async () => {
    const of = (encoding: string) => ({ ...JSON_TYPE, 'content-encoding': encoding });
    const { status, body } = await post('/v1/states', gzipSync('{"connectors":[]}'), of('gzip'));
    expect({ status, code: body.code }).toEqual({ status: 415, code: 'UNSUPPORTED_MEDIA_TYPE' });
    expect(body.detail).toContain('Content-Encoding');
    expect(await post('/v1/states', asking('alice'), of('identity'))).toMatchObject({ status: 200 });
  });
});

describe('its characters', () => {
  it('are UTF-8: two users whose names are not do not become one', async () => {
    for (const name of ['Zoë', 'Zoé']) {
      const { status, body } = await post('/v1/states', Buffer.from(asking(name), 'latin1'));
      expect({ status, code: body.code }).toEqual({ status: 400, code: 'INVALID_INPUT' });
      expect(body.detail).toContain('UTF-8');
    }
  });

  it('may be any, and begin with a mark of their order', async () => {
    expect(await post('/v1/states', `\uFEFF${asking('Zoë 😀')}`)).toMatchObject({ status: 200 });
  });
});

describe('its shape', () => {
  it.each(["{'connectors': []}", '{"connectors":[', '{"connectors":[]} {}', '{"ratePpm": NaN}'])(
    'is JSON: %s',
    async payload => {
      const { status, body } = await post('/v1/states', payload);
      expect({ status, code: body.code }).toEqual({ status: 400, code: 'INVALID_INPUT' });
      expect(body.detail).toMatch(/not JSON: names and texts stand in double quotes/);
    },
  );

  it.each(['{"connectors":[],"__proto__":{}}', '{"constructor":{"prototype":{}}}'])(
    'is not another than it seems, and is not called broken: %s',
    async payload => {
      const { status, body } = await post('/v1/states', payload);
      expect({ status, code: body.code }).toEqual({ status: 400, code: 'INVALID_INPUT' });
      expect(body.detail).toContain('__proto__');
    },
  );

  it('is missing where there is none', async () => {
    const { status, body } = await post('/v1/states', '');
    expect({ status, detail: body.detail }).toEqual({ status: 400, detail: '/body: is missing' });
  });

  it('has a limit, which is named', async () => {
    const { status, body } = await post('/v1/states', asking('a'.repeat(2_200_000)));
    expect({ status, code: body.code }).toEqual({ status: 413, code: 'TOO_LARGE' });
    expect(body.detail).toContain('2097152 bytes');
  });
});

describe('of a route that takes none', () => {
  const TAKES_NONE = ['/v1/cleanup', '/v1/dead-letters/replay', '/v1/users/a/credentials/b/invalidate'];

  it.each(TAKES_NONE)('one with fields is refused by name, and nothing is done: %s', async url => {
    const { status, body } = await post(url, '{"dryRun":true}');
    expect({ status, code: body.code }).toEqual({ status: 400, code: 'INVALID_INPUT' });
    expect(body.detail).toContain('"dryRun"');
    expect(await post(url, '["dryRun"]')).toMatchObject({ status: 400 });
  });

  it('an empty one, null and {} are none', async () => {
    for (const payload of [undefined, '', 'null', '{}']) {
      const headers = payload === undefined ? {} : JSON_TYPE;
      expect(await post('/v1/cleanup', payload, headers)).toMatchObject({
        status: 200,
        body: { removed: 0 },
      });
    }
  });
});
