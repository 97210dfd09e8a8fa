/** One follower's connection, over a real socket whose other end takes nothing: what waits for him is bounded. */
import { once } from 'node:events';
import { createServer, get, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { StoredEvent } from '../../src/events/event.js';
import type { FilteredBatch } from '../../src/feed/event-feed.js';
import { STALL_MS } from '../../src/http/feed/outlet.js';
import { HEARTBEAT_MS, sendFeed } from '../../src/http/feed/send-feed.js';
import type { FeedTimers } from '../../src/http/feed/timers.js';
import { id, stored, synced } from '../support/facts.js';

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
  const timers: FeedTimers = { every: arm, after: arm, nowMs: () => 0 };
  return { timers, armed };
}

const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0)) await close();
});

async function givenConnection(batches: AsyncGenerator<FilteredBatch>, gatherMs?: number) {
  const { timers, armed } = timersByHand();
  const gone = new AbortController();
  let sent: Promise<void> | undefined;
  const server = createServer((_request, response) => {
    response.on('close', () => gone.abort());
    sent = batches
      .next()
      .then(first => sendFeed(batches, first, { response, audience: 'operator', gone, timers, gatherMs }));
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const request = get({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', agent: false });
  request.on('error', () => undefined);
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  response.on('error', () => undefined);
  open.push(async () => {
    request.destroy();
    server.closeAllConnections();
    await new Promise(resolve => server.close(resolve));
  });
  return { armed, response, ended: async () => sent };
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
    const { armed, response, ended } = await givenConnection(endless());
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
    const { armed, response } = await givenConnection(quiet());
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
  });
});

describe('a follower who may wait for news', () => {
  const GATHER_MS = 3_000;
  const [first, second, third] = stored(
    [1, 2, 3].map(n => synced({ id: id(n) })),
  ) as unknown as StoredEvent[];
  const pageOf = (event: StoredEvent | undefined): FilteredBatch => ({
    type: 'events',
    page: [event as StoredEvent],
    wants: undefined,
    log: undefined,
    token: TOKEN,
  });

  /** What goes out by when it came to the socket, and a source that the test feeds. */
  async function given() {
    let fed: (batch: FilteredBatch | 'end') => void = () => undefined;
    const next = () =>
      new Promise<FilteredBatch | 'end'>(resolve => {
        fed = resolve;
      });
    async function* source(): AsyncGenerator<FilteredBatch> {
      yield pageOf(first);
      yield { type: 'caught-up', token: TOKEN };
      for (let batch = await next(); batch !== 'end'; batch = await next()) yield batch;
    }
    const connection = await givenConnection(source(), GATHER_MS);
    const chunks: string[] = [];
    connection.response.setEncoding('utf8');
    connection.response.on('data', chunk => chunks.push(chunk));
    const turns = async () => {
      for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
    };
    const feed = async (batch: FilteredBatch | 'end') => {
      fed(batch);
      await turns();
    };
    const has = async (n: number) => {
      while (!chunks.join('').includes(`"id":"${id(n)}"`)) await new Promise(setImmediate);
    };
    const gather = () => [...connection.armed].find(([ms]) => ms <= GATHER_MS && ms > 0)?.[1];
    return { ...connection, chunks, feed, has, gather };
  }

  it('is told the past at once and what comes then together, at a moment of his own', async () => {
    const { has, feed, chunks, gather, armed } = await given();
    await has(1);
    while (!chunks.join('').includes('caught-up')) await new Promise(setImmediate);
    const before = chunks.length;
    await feed(pageOf(second));
    await feed(pageOf(third));
    expect(chunks).toHaveLength(before);
    // Nothing is said of a place that he was not told the way to.
    armed.get(HEARTBEAT_MS)?.();
    expect(gather()).toBeDefined();
    gather()?.();
    await has(3);
    const news = chunks.slice(before).join('');
    expect(news).not.toContain('heartbeat');
    expect(news.indexOf(id(2))).toBeLessThan(news.indexOf(id(3)));
    expect(gather()).toBeUndefined();
  });

  it('is told before the feed says why it ends', async () => {
    const { has, feed, chunks, response } = await given();
    await has(1);
    while (!chunks.join('').includes('caught-up')) await new Promise(setImmediate);
    await feed(pageOf(second));
    await feed({ type: 'cut-off', reason: 'closing', token: TOKEN });
    void feed('end');
    await once(response, 'end');
    const text = chunks.join('');
    expect(text.indexOf(id(2))).toBeGreaterThan(0);
    expect(text.indexOf(id(2))).toBeLessThan(text.indexOf('cut-off'));
  });

  it('is not kept waiting by a burst, of which only so much may wait', async () => {
    const { has, feed, chunks } = await given();
    await has(1);
    while (!chunks.join('').includes('caught-up')) await new Promise(setImmediate);
    for (let n = 0; n < 400; n++) {
      await feed(pageOf(stored([synced({ id: id(1_000 + n) })])[0] as unknown as StoredEvent));
    }
    // By no timer of his.
    await has(1_010);
    expect(chunks.join('')).not.toContain(id(1_399));
  });
});
