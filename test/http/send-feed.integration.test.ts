/** One follower's connection, over a real socket whose other end takes nothing: what waits for him is bounded. */
import { once } from 'node:events';
import { createServer, get, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import type { FilteredBatch } from '../../src/feed/event-feed.js';
import { type FeedTimers, HEARTBEAT_MS, STALL_MS, sendFeed } from '../../src/http/feed/send-feed.js';

const TOKEN = '1.-.pg/7.0123456789abcdef';
/** 64 KiB each, without end. */
const LARGE: FilteredBatch = {
  type: 'reset',
  reason: 'x'.repeat(65_536) as 'other-log',
  token: TOKEN,
};

/** Timers that the test fires. */
function timersByHand() {
  const armed = new Map<number, () => void>();
  const arm = (ms: number, fire: () => void) => {
    armed.set(ms, fire);
    return () => void armed.delete(ms);
  };
  const timers: FeedTimers = { every: arm, after: arm };
  return { timers, armed };
}

async function givenConnection(batches: AsyncGenerator<FilteredBatch>) {
  const { timers, armed } = timersByHand();
  const gone = new AbortController();
  let sent: Promise<void> | undefined;
  const server = createServer((_request, response) => {
    response.on('close', () => gone.abort());
    sent = batches
      .next()
      .then(first => sendFeed(batches, first, { response, audience: 'operator', gone, timers }));
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const request = get({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', agent: false });
  request.on('error', () => undefined);
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  response.on('error', () => undefined);
  return {
    armed,
    response,
    ended: async () => sent,
    async close() {
      request.destroy();
      server.closeAllConnections();
      await new Promise(resolve => server.close(resolve));
    },
  };
}

describe('a follower who takes nothing', () => {
  it('is asked for nothing more, and is cut off when that has gone on for too long', async () => {
    let pulled = 0;
    async function* endless(): AsyncGenerator<FilteredBatch> {
      for (;;) {
        pulled += 1;
        yield LARGE;
      }
    }
    const { armed, response, ended, close } = await givenConnection(endless());
    response.pause();
    while (!armed.has(STALL_MS)) await new Promise(setImmediate);
    const before = pulled;
    for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
    // What the kernel's buffers took may let it go on a little.
    expect(pulled - before).toBeLessThan(200);

    while (response.socket.destroyed === false && armed.has(STALL_MS)) {
      armed.get(STALL_MS)?.();
      await new Promise(setImmediate);
    }
    await ended();
    expect(armed.size).toBe(0);
    await close();
  });
});

describe('a follower for whom nothing happens', () => {
  it('is sent heartbeats that carry his place and nothing else', async () => {
    let release: () => void = () => {};
    const end = new Promise<void>(resolve => {
      release = resolve;
    });
    async function* quiet(): AsyncGenerator<FilteredBatch> {
      yield { type: 'caught-up', token: TOKEN };
      await end;
    }
    const { armed, response, close } = await givenConnection(quiet());
    let text = '';
    response.setEncoding('utf8');
    response.on('data', chunk => {
      text += chunk;
    });
    while (!text.includes('caught-up')) await new Promise(setImmediate);
    armed.get(HEARTBEAT_MS)?.();
    while (!text.includes('heartbeat')) await new Promise(setImmediate);
    expect(text).toBe(
      `retry: 2000\n\nid: ${TOKEN}\nevent: caught-up\ndata: {}\n\n: heartbeat\nid: ${TOKEN}\n\n`,
    );
    release();
    await once(response, 'end');
    await close();
  });
});
