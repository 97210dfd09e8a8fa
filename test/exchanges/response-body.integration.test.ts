/** Answers as edges in front of exchanges hand them on. */
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createRawServer } from 'node:net';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import { createHttpTransport } from '../../src/exchanges/http-transport.js';
import { closing } from '../support/world.js';

async function answeredWith(body: Buffer, headers: Record<string, string>) {
  const server = createServer((_, response) => {
    response.writeHead(200, headers);
    response.end(body);
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  closing({
    close: () => {
      server.closeAllConnections();
      return new Promise(resolve => server.close(resolve));
    },
  });
  const transport = createHttpTransport({ timeoutMs: 10_000, now: () => performance.now() });
  closing(transport);
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  return transport.send({ method: 'GET', url, headers: {} });
}

const TEXT = '{"retCode":0,"msg":"žluťoučký"}';

describe('the text of an answer', () => {
  it.each([
    ['plain', Buffer.from(TEXT), {}],
    ['with a byte order mark', Buffer.from(`\uFEFF${TEXT}`), {}],
    ['gzip that nobody asked for', gzipSync(TEXT), { 'content-encoding': 'gzip' }],
    ['GZIP in capitals', gzipSync(TEXT), { 'content-encoding': 'GZIP' }],
    ['deflate', deflateSync(TEXT), { 'content-encoding': 'deflate' }],
    ['brotli', brotliCompressSync(TEXT), { 'content-encoding': 'br' }],
    ['identity', Buffer.from(TEXT), { 'content-encoding': 'identity' }],
  ])('is read: %s', async (_, body, headers) => {
    expect(await answeredWith(body, headers)).toMatchObject({ body: TEXT });
  });

  it('that is cut off inside its compression is a failure, not half an answer', async () => {
    const body = gzipSync(TEXT.repeat(100));
    const outcome = await answeredWith(body.subarray(0, body.length / 2), { 'content-encoding': 'gzip' });
    expect(outcome).toMatchObject({ failure: 'undecodable', code: 'Z_BUF_ERROR' });
  });

  it('that is not compressed as its header says came all the same: the network is not at fault', async () => {
    const outcome = await answeredWith(Buffer.from(TEXT), { 'content-encoding': 'gzip' });
    expect(outcome).toMatchObject({ failure: 'undecodable' });
  });

  it('is limited by what comes out, not by what was sent', async () => {
    const body = gzipSync(Buffer.alloc(9 * 1024 * 1024));
    expect(await answeredWith(body, { 'content-encoding': 'gzip' })).toMatchObject({ failure: 'oversized' });
  });
});

describe('what is no answer', () => {
  const answeredBy = async (bytes: string) => {
    const server = createRawServer(socket => {
      socket.on('error', () => undefined);
      socket.on('data', () => socket.write(bytes));
    });
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    closing({ close: () => new Promise(resolve => server.close(resolve)) });
    const transport = createHttpTransport({ timeoutMs: 100_000, now: () => performance.now() });
    closing(transport);
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    return transport.send({ method: 'GET', url, headers: {} });
  };

  it('is told apart from a network that fails: another protocol', async () => {
    expect(await answeredBy('SSH-2.0-OpenSSH_9\r\n')).toMatchObject({
      failure: 'undecodable',
      code: 'HPE_INVALID_CONSTANT',
    });
  });

  it('ends at once, and not with the time-out: the wish to change the protocol', async () => {
    const bytes = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n';
    expect(await answeredBy(bytes)).toMatchObject({ failure: 'network' });
  });
});
