/** What is too much is refused early, with the time after which it is worth asking again; others are served meanwhile. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { closing, eventually } from '../support/world.js';
import { givenServer, type TestServer } from './support.js';

const PATH = '/v1/connectors/BYBIT/TESTNET/alice/main/state';

async function listening(server: TestServer): Promise<number> {
  const url = await server.server.listen({ host: '127.0.0.1', port: 0 });
  return Number(new URL(url).port);
}

async function socketTo(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  closing({ close: () => socket.destroy() });
  await once(socket, 'connect');
  return socket;
}

describe('one caller', () => {
  it('gets his share a second, and others theirs', async () => {
    const { ask } = await givenServer({ limits: { requestsPerSecond: 3 } });
    const asked = async (as: string) => {
      const answers = await Promise.all(Array.from({ length: 20 }, () => ask(PATH, as)));
      return answers.filter(({ status }) => status === 429);
    };
    const refused = await asked('reader');
    expect(refused.length).toBeGreaterThan(0);
    expect(refused[0]).toMatchObject({
      headers: { 'retry-after': '1' },
      body: { code: 'TOO_MANY_REQUESTS' },
    });
    expect((await ask(PATH, 'writer')).status).toBe(200);
  });
});

describe('all together', () => {
  it('have so many requests under way and no more, and room again afterwards', async () => {
    const { ask } = await givenServer({ limits: { inFlight: 4 } });
    const answers = await Promise.all(Array.from({ length: 12 }, () => ask(PATH, 'reader')));
    const statuses = answers.map(({ status }) => status);
    expect(statuses.filter(status => status === 200).length).toBeGreaterThanOrEqual(4);
    const refused = answers.filter(({ status }) => status === 503);
    expect(refused.length).toBeGreaterThan(0);
    expect(refused[0]).toMatchObject({ headers: { 'retry-after': '1' }, body: { code: 'OVERLOADED' } });
    expect((await ask(PATH, 'reader')).status).toBe(200);
  });
});

describe('a bad client', () => {
  it('that sends its request for ever is cut off, and a thousand idle ones hold nobody up', async () => {
    const server = await givenServer();
    const port = await listening(server);
    const slow = await socketTo(port);
    let heard = '';
    slow.on('data', data => {
      heard += data;
    });
    slow.write(`GET ${PATH} HTTP/1.1\r\nHost: localhost\r\n`);
    // One that sends no more hears why, which a client that goes on sending may not get to read.
    const silent = await socketTo(port);
    let told = '';
    silent.on('data', data => {
      told += data;
    });
    silent.write(`GET ${PATH} HTTP/1.1\r\nHost: localhost\r\n`);
    const idle = await Promise.all(Array.from({ length: 1_000 }, () => socketTo(port)));
    expect(idle).toHaveLength(1_000);
    const answer = await fetch(`http://127.0.0.1:${port}${PATH}`, {
      headers: { authorization: 'Bearer reader' },
    });
    expect(answer.status).toBe(200);
    await eventually(() => {
      slow.write('X-Slow: 1\r\n');
      return slow.destroyed || heard.includes('408');
    }, 40_000);
    await eventually(() => told.endsWith('}'), 40_000);
    expect(told).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\ncontent-type: application\/problem\+json\r\n/);
    expect(JSON.parse(told.slice(told.indexOf('\r\n\r\n')))).toMatchObject({
      status: 408,
      code: 'TIMEOUT',
      detail: 'the request took too long to arrive',
    });
  });

  it('that never reads holds nobody up', async () => {
    const server = await givenServer();
    const port = await listening(server);
    for (let i = 0; i < 20; i++) {
      const deaf = await socketTo(port);
      deaf.pause();
      const request = 'GET /v1/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n';
      deaf.write(request.repeat(50));
    }
    const answer = await fetch(`http://127.0.0.1:${port}${PATH}`, {
      headers: { authorization: 'Bearer reader' },
    });
    expect(answer.status).toBe(200);
  });

  it('that sends nonsense, too much, or too deep hears so', async () => {
    const server = await givenServer();
    const { ask } = server;
    const post = (payload: string, type = 'application/json') =>
      ask({ method: 'POST', url: '/v1/events', payload, headers: { 'content-type': type } }, 'writer');
    expect(await post('{"events":')).toMatchObject({ status: 400, body: { code: 'INVALID_INPUT' } });
    expect(await post('x'.repeat(3_000_000))).toMatchObject({ status: 413, body: { code: 'TOO_LARGE' } });
    expect(await post('['.repeat(100_000) + ']'.repeat(100_000))).toMatchObject({ status: 400 });
    expect(await post('{"events":[],"__proto__":{"a":1}}')).toMatchObject({ status: 400 });
    expect(await post('<events/>', 'text/xml')).toMatchObject({
      status: 415,
      body: { code: 'UNSUPPORTED_MEDIA_TYPE' },
    });
    expect(await ask('/v1/connectors/BYBIT/TESTNET/%E0%A4%A/main/state')).toMatchObject({ status: 400 });
    expect(await ask({ method: 'DELETE', url: PATH })).toMatchObject({ status: 405 });
    const port = await listening(server);
    const raw = await socketTo(port);
    raw.write('NONSENSE\r\n\r\n');
    const [line] = await once(raw, 'data');
    expect(String(line)).toMatch(/^HTTP\/1\.1 400/);
  });
});
