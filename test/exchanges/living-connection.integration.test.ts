/** Kept connections that died without a sign, as they do while a function is frozen. */
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { MAX_IDLE_MS } from '../../src/exchanges/connection-age.js';
import { createHttpTransport } from '../../src/exchanges/http-transport.js';
import { onLivingConnection } from '../../src/exchanges/living-connection.js';
import type { ExchangeSimulator } from '../../src/exchanges/simulator/index.js';
import { closing } from '../support/world.js';
import { BOTH, FROZEN_MS, givenAdapter, givenSimulator, SYMBOL } from './support.js';

type Death =
  | 'reset'
  | 'silent'
  | 'given up'
  | 'ends in the answer'
  | 'resets in the answer'
  | 'silent in the answer';

/** As HAProxy ends a connection that it has waited on for too long. */
const REQUEST_TIMEOUT =
  'HTTP/1.1 408 Request Time-out\r\nContent-length: 12\r\nConnection: close\r\nContent-Type: text/html\r\n\r\n<html>408</h';

/** A door before the simulator whose connections can be made to have died. */
async function givenDoor(simulator: ExchangeSimulator) {
  let death: Death | undefined;
  const doomed = new WeakSet<Socket>();
  const open = new Set<Socket>();
  const counts = { opened: 0, bytesOnDead: 0 };
  const door = createServer({ noDelay: true }, socket => {
    counts.opened++;
    open.add(socket);
    const upstream = connect(Number(new URL(simulator.bybitUrl).port), '127.0.0.1');
    for (const each of [socket, upstream]) each.on('error', () => undefined);
    socket.on('close', () => {
      open.delete(socket);
      upstream.destroy();
    });
    upstream.on('close', () => socket.destroy());
    upstream.on('data', data => {
      if (!doomed.has(socket)) return void socket.write(data);
      const half = data.subarray(0, data.indexOf('\r\n\r\n') + 12);
      socket.write(half, () => {
        if (death === 'ends in the answer') socket.end();
        // A reset takes with it what was not read yet.
        if (death === 'resets in the answer') setTimeout(() => socket.resetAndDestroy(), 20);
      });
    });
    socket.on('data', data => {
      if (!doomed.has(socket)) return void upstream.write(data);
      counts.bytesOnDead++;
      if (death === 'reset') socket.resetAndDestroy();
      else if (death === 'given up') socket.end(REQUEST_TIMEOUT);
      else if (death !== 'silent') upstream.write(data);
    });
  });
  await new Promise<void>(resolve => door.listen(0, '127.0.0.1', resolve));
  const closeAll = () => {
    for (const socket of open) socket.destroy();
    return new Promise<void>(resolve => door.close(() => resolve()));
  };
  closing({ close: closeAll });
  const url = `http://127.0.0.1:${(door.address() as AddressInfo).port}`;
  return {
    counts,
    urls: { bybitUrl: url, bingxUrl: url },
    kill(how: Death) {
      death = how;
      for (const socket of open) doomed.add(socket);
    },
  };
}

describe.each(BOTH)('connections to %s that died in a freeze', exchange => {
  it.each<[Death, number]>([
    ['reset', 1],
    ['reset', 3],
    ['silent', 1],
    ['silent', 3],
    ['given up', 3],
    ['ends in the answer', 3],
    ['resets in the answer', 3],
    ['silent in the answer', 3],
  ])('%s, %i of them: the next call is answered over a fresh one', async (death, kept) => {
    const simulator = await givenSimulator({ knobs: { latencyMs: { time: 20, verify: 20, funding: 20 } } });
    const same = { ...simulator, bybitUrl: exchange === 'BYBIT' ? simulator.bybitUrl : simulator.bingxUrl };
    const door = await givenDoor(same);
    let signed = 0;
    const timestamp = () => {
      signed++;
      return FROZEN_MS;
    };
    const adapter = givenAdapter(exchange, door.urls, { timestamp, timeoutMs: 30_000 });
    await Promise.all(Array.from({ length: kept }, () => adapter.fundingRate(SYMBOL[exchange])));
    const before = door.counts.opened;

    door.kill(death);
    await adapter.verifyAccount();
    expect(signed).toBe(2);
    await adapter.verifyAccount();
    await adapter.fundingRate(SYMBOL[exchange]);

    // One dead connection was tried; the others were dropped with it. How many fresh ones serve is this machine's affair:
    // one that is slow is raced.
    expect(door.counts.bytesOnDead).toBe(1);
    expect(door.counts.opened).toBeGreaterThan(before);
    expect(simulator.counters(exchange).refused).toBe(0);
  });
});

it('a process that is busy all the time does not wait on a dead connection for the whole time-out', async () => {
  const simulator = await givenSimulator();
  const door = await givenDoor(simulator);
  const adapter = givenAdapter('BYBIT', door.urls, { timeoutMs: 6_000 });
  await adapter.fundingRate(SYMBOL.BYBIT);
  door.kill('silent');
  const before = door.counts.opened;
  // Busy until a fresh connection is there: its answer is not to be late for that.
  let isBusy = true;
  const work = () => {
    if (!isBusy || door.counts.opened > before) return;
    const endsAtMs = performance.now() + 40;
    while (performance.now() < endsAtMs);
    setImmediate(() => setImmediate(work));
  };
  work();
  try {
    await adapter.fundingRate(SYMBOL.BYBIT);
  } finally {
    isBusy = false;
  }
  expect(door.counts.opened).toBe(before + 1);
});

describe('a connection that lay idle', () => {
  it.each([
    ['by the monotonic clock', { now: MAX_IDLE_MS + 1, wall: MAX_IDLE_MS + 1 }],
    ['by the wall clock alone, for a freeze stopped the other', { now: 0, wall: MAX_IDLE_MS + 1 }],
    ['through a freeze that only the two clocks together show', { now: 0, wall: 2_000 }],
  ])('too long %s is not used', async (_, passed) => {
    const simulator = await givenSimulator();
    const time = { now: FROZEN_MS, wall: FROZEN_MS };
    const adapter = givenAdapter('BYBIT', simulator, { now: () => time.now, wall: () => time.wall });
    await adapter.verifyAccount();
    await adapter.verifyAccount();
    expect(simulator.counters('BYBIT').connections).toBe(1);

    time.now += passed.now;
    time.wall += passed.wall;
    await adapter.verifyAccount();

    expect(simulator.counters('BYBIT').connections).toBe(2);
  });

  it('is used while it is young', async () => {
    const simulator = await givenSimulator();
    const time = { now: FROZEN_MS };
    const adapter = givenAdapter('BYBIT', simulator, { now: () => time.now, wall: () => time.now });
    await adapter.verifyAccount();
    time.now += MAX_IDLE_MS - 1;
    await adapter.verifyAccount();
    expect(simulator.counters('BYBIT').connections).toBe(1);
  });
});

describe('a request that may have been executed', () => {
  it.each<[Death, object]>([
    ['reset', { failure: 'network' }],
    ['silent', { failure: 'timeout' }],
    ['given up', { status: 408 }],
    ['ends in the answer', { failure: 'network' }],
  ])('is not sent again when its connection is %s', async (death, outcome) => {
    const received: string[] = [];
    let mayAnswer = true;
    const server = createHttpServer((request, response) => {
      received.push(request.method ?? '');
      if (mayAnswer) response.end('{}');
      else if (death === 'reset') request.socket.resetAndDestroy();
      else if (death === 'given up') request.socket.end(REQUEST_TIMEOUT);
      else if (death === 'ends in the answer') request.socket.end(REQUEST_TIMEOUT.slice(0, -5));
    });
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    closing({
      close: () => {
        server.closeAllConnections();
        return new Promise(resolve => server.close(resolve));
      },
    });
    const transport = createHttpTransport({ timeoutMs: 400, now: () => performance.now() });
    closing(transport);
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/order`;
    const post = () =>
      onLivingConnection(transport, sender => sender.send({ method: 'POST', url, headers: {}, body: '{}' }));
    expect(await post()).toMatchObject({ status: 200 });

    mayAnswer = false;
    expect(await post()).toMatchObject(outcome);
    expect(received).toEqual(['POST', 'POST']);
  });
});
