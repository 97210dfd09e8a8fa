/** One follower's connection, over a real socket whose other end takes nothing: what waits for him is bounded. */
import { once } from 'node:events';
import { createServer, get, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough } from 'node:stream';
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

describe('pages that lie ready one behind the other', () => {
  const events = stored(
    Array.from({ length: 400 }, (_, n) => synced({ id: id(n) })),
  ) as unknown as StoredEvent[];
  const pageOf = (n: number, more: boolean): FilteredBatch => ({
    type: 'events',
    page: [events[n] as StoredEvent],
    wants: undefined,
    log: undefined,
    more,
    token: TOKEN,
  });

  /** How many writes they are, and all that was written. */
  async function whatIsSent(source: AsyncGenerator<FilteredBatch>) {
    const written: string[] = [];
    const response = new PassThrough();
    const write = response.write.bind(response);
    response.write = ((chunk: string | Buffer) => written.push(String(chunk)) > 0 && write(chunk)) as never;
    response.resume();
    const { timers } = timersByHand();
    const gone = new AbortController();
    await sendFeed(source, await source.next(), {
      response: response as unknown as ServerResponse,
      audience: 'operator',
      gone,
      timers,
    });
    return written.slice(1);
  }

  it('go out together, in their order, and before what the feed says of itself', async () => {
    const written = await whatIsSent(
      (async function* () {
        for (const n of [1, 2, 3]) yield pageOf(n, n < 3);
        yield pageOf(4, true);
        yield { type: 'cut-off', reason: 'slow', token: TOKEN };
      })(),
    );
    expect(written).toHaveLength(2);
    const ids = (text: string | undefined) =>
      [...(text ?? '').matchAll(/"id":"([^"]+)"/g)].map(([, at]) => at);
    expect(ids(written[0])).toEqual([1, 2, 3].map(n => id(n)));
    expect(written[1]?.indexOf(id(4))).toBeLessThan(written[1]?.indexOf('cut-off') ?? -1);
  });

  it('are not put together without end', async () => {
    const written = await whatIsSent(
      (async function* () {
        for (let n = 0; n < 400; n++) yield pageOf(n, true);
      })(),
    );
    expect(written.length).toBeGreaterThan(1);
    for (const each of written) expect(each.length).toBeLessThan(70_000);
    expect(written.join('').split('"id":')).toHaveLength(401);
  });
});
