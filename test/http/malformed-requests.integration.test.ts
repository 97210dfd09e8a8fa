/** What Node cannot read, or refuses by itself, is told in problem details too, on the wire. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { closing } from '../support/world.js';
import { givenServer, type TestServer } from './support.js';

let server: TestServer;
let port: number;
beforeAll(async () => {
  server = await givenServer({ keep: true });
  port = Number(new URL(await server.server.listen({ host: '127.0.0.1', port: 0 })).port);
});

/** What comes back to these, each sent once the one before is answered with its second part, until the connection ends. */
async function answerTo(...said: readonly (readonly [text: string, answer?: string])[]): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  closing({ close: () => socket.destroy() });
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  let heard = '';
  const rest = [...said];
  let awaited: string | undefined = '';
  const speak = () => {
    while (awaited !== undefined && heard.includes(awaited) && rest.length > 0) {
      const [text = '', answer] = rest.shift() ?? [];
      socket.write(text);
      awaited = answer;
    }
  };
  socket.on('data', data => {
    heard += data;
    speak();
  });
  speak();
  await new Promise<void>(resolve => socket.on('end', resolve).on('close', () => resolve()));
  return heard;
}

function parsed(answer: string) {
  const [head = '', body = ''] = answer.split('\r\n\r\n');
  return { head: head.toLowerCase(), problem: JSON.parse(body.replace(/^[0-9a-f]+\r\n/, '')) };
}

describe('a request that cannot be read', () => {
  it.each([
    ['is none', 'hello\r\n\r\n', 400, 'INVALID_INPUT'],
    ['has a malformed header', 'GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n', 400, 'INVALID_INPUT'],
    [
      'has two lengths',
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
      400,
      'INVALID_INPUT',
    ],
    [
      'has headers too large',
      `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`,
      431,
      'TOO_LARGE',
    ],
    ['has a URL too large', `GET /${'x'.repeat(100_000)} HTTP/1.1\r\nHost: a\r\n\r\n`, 431, 'TOO_LARGE'],
  ])('because it %s is told why', async (_, text, status, code) => {
    const { head, problem } = parsed(await answerTo([text]));
    expect(problem).toMatchObject({ status, code, type: `urn:connector-state:error:${code}` });
    expect(problem.instance).not.toBe('');
    expect(head).toMatch(new RegExp(`^http/1.1 ${status} `));
    expect(head).toContain('content-type: application/problem+json');
    expect(head).toContain('connection: close');
  });

  it.each([
    ['names no host', 'GET /health/live HTTP/1.1\r\nConnection: close\r\n\r\n', 400],
    [
      'expects what nobody knows',
      'GET /health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: cake\r\n\r\n',
      417,
    ],
  ])('one that %s too', async (_, text, status) => {
    const { head, problem } = parsed(await answerTo([text]));
    expect(problem).toMatchObject({ status, code: 'INVALID_INPUT' });
    expect(head).toContain('content-type: application/problem+json');
  });

  it('is not answered in the middle of a stream, which ends', async () => {
    const feed = 'GET /v1/events/feed HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer analyst\r\n\r\n';
    const heard = await answerTo([feed, 'caught-up'], ['garbage\r\n\r\n']);
    expect(heard).toMatch(/^HTTP\/1.1 200 /);
    expect(heard).not.toContain('HTTP/1.1 400');
  });

  it('is told so behind an answer to the one before it', async () => {
    const heard = await answerTo(['GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n', '}'], ['garbage\r\n\r\n']);
    expect(heard).toMatch(/^HTTP\/1.1 200 [\s\S]*HTTP\/1.1 400 /);
  });
});
