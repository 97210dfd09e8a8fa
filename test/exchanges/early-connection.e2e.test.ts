/** Of a connection opened early, what only a process of its own can show: trust in a certificate, and its end. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { createCertificate } from '../support/esdb-server/certificates.js';
import { projectDirectory, runNode, spawnNode } from '../support/run.js';
import { closing, eventually } from '../support/world.js';

const TRANSPORT = JSON.stringify(`file://${projectDirectory}dist/src/exchanges/http-transport.js`);

const program = (body: string) => [
  '--input-type=module',
  '--eval',
  `import { createHttpTransport } from ${TRANSPORT};
   const now = () => performance.timeOrigin + performance.now();
   const transport = createHttpTransport({ timeoutMs: 20_000, now });
   ${body}`,
];

const portOf = (server: { address(): string | AddressInfo | null }) => (server.address() as AddressInfo).port;

describe('a connection opened early', () => {
  it('does not keep a process alive that never uses it', async () => {
    const sockets: Socket[] = [];
    const server = createServer(socket => sockets.push(socket.on('error', () => undefined)));
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    closing({ close: () => new Promise(resolve => server.close(resolve)) });

    const { code } = await runNode(program(`transport.open('http://127.0.0.1:${portOf(server)}');`));

    expect(code).toBe(0);
    for (const socket of sockets) socket.destroy();
  });

  it('over TLS is open when the handshake is over: what is asked meanwhile is sent then', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'early-connection-'));
    closing({ close: () => rm(directory, { recursive: true }) });
    const { authority: trusted, certificate: cert, key } = await createCertificate();
    const authority = join(directory, 'authority.pem');
    await writeFile(authority, trusted);
    const exchange = createHttpsServer({ cert, key }, (_, response) => response.end('{}'));
    await new Promise<void>(resolve => exchange.listen(0, '127.0.0.1', resolve));
    closing({ close: () => new Promise(resolve => exchange.close(resolve)) });
    // The way to it, which holds back all bytes until it is opened.
    const held: (() => void)[] = [];
    const sockets: Socket[] = [];
    const way = createServer(near => {
      sockets.push(near.on('error', () => undefined));
      held.push(() => {
        const far = connect(portOf(exchange), '127.0.0.1').on('error', () => undefined);
        sockets.push(far);
        near.pipe(far).pipe(near);
      });
    });
    await new Promise<void>(resolve => way.listen(0, '127.0.0.1', resolve));
    closing({
      close: () => {
        for (const socket of sockets) socket.destroy();
        return new Promise(resolve => way.close(resolve));
      },
    });

    const client = spawnNode(
      program(`
        const url = 'https://localhost:${portOf(way)}';
        transport.open(url);
        // TCP is agreed on by the time the line on stdin comes, TLS is not.
        await new Promise(resolve => process.stdin.once('data', resolve));
        const answer = transport.send({ method: 'GET', url: url + '/time', headers: {} });
        await new Promise(resolve => setImmediate(() => setImmediate(resolve)));
        process.stdout.write('ASKED\\n');
        const reply = await answer;
        transport.close();
        process.stdin.destroy();
        process.stdout.write('REPLY ' + JSON.stringify(reply) + '\\n');`),
      { env: { NODE_EXTRA_CA_CERTS: authority } },
    );
    await eventually(() => held.length === 1);
    client.process.stdin.write('ask\n');
    await client.waitForLine(/^ASKED/);
    const heldUntilMs = performance.timeOrigin + performance.now();
    for (const release of held) release();
    const { stdout, stderr } = await client.ended;

    expect(stderr).toBe('');
    const reply = JSON.parse(/REPLY (.*)/.exec(stdout)?.[1] ?? '{}');
    expect(reply).toMatchObject({ status: 200, body: '{}' });
    expect(held).toHaveLength(1);
    expect(reply.sentAtMs).toBeGreaterThanOrEqual(heldUntilMs);
  });
});
