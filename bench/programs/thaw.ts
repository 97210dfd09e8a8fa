/**
 * The first request after a suspend in which kept connections died without a sign: a door before the simulator drops three
 * of them, by a reset at the first byte or by swallowing all of it, and the same process asks again. Noticed: the wall clock
 * shows the suspend, as it does on a machine that slept. Unnoticed: neither clock does, which leaves silence alone to tell.
 */
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { createBybitAdapter } from '../../src/exchanges/bybit/index.js';
import { demoAccount, startExchangeSimulator } from '../../src/exchanges/simulator/index.js';
import { answer, readTask } from './task.js';

export interface ThawTask {
  readonly rounds: number;
  /** What the exchange takes to answer, milliseconds. */
  readonly roundTripMs: number;
  readonly kept: number;
}

export interface Thaw {
  readonly death: 'reset' | 'silent';
  readonly isNoticed: boolean;
  /** Of each round: the request before the suspend, and the first after it. */
  readonly beforeMs: readonly number[];
  readonly afterMs: readonly number[];
}

const task = readTask<ThawTask>();
const { roundTripMs } = task;
const latencyMs = { time: roundTripMs, verify: roundTripMs, funding: roundTripMs };
const simulator = await startExchangeSimulator({ knobs: { latencyMs } });
const port = Number(new URL(simulator.bybitUrl).port);

let death: Thaw['death'] = 'reset';
const dead = new WeakSet<Socket>();
const open = new Set<Socket>();
const door = createServer({ noDelay: true }, socket => {
  open.add(socket);
  const upstream = connect({ port, host: '127.0.0.1', noDelay: true });
  for (const each of [socket, upstream]) each.on('error', () => undefined);
  socket.on('close', () => {
    open.delete(socket);
    upstream.destroy();
  });
  upstream.on('close', () => socket.destroy());
  upstream.on('data', data => socket.write(data));
  socket.on('data', data => {
    if (!dead.has(socket)) upstream.write(data);
    else if (death === 'reset') socket.resetAndDestroy();
  });
});
await new Promise<void>(resolve => door.listen(0, '127.0.0.1', resolve));
const baseUrl = `http://127.0.0.1:${(door.address() as { port: number }).port}`;

/** A minute that only the wall clock shows. */
let sleptMs = 0;

async function timed(call: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  await call();
  return performance.now() - startedMs;
}

async function measure(how: Thaw['death'], isNoticed: boolean): Promise<Thaw> {
  death = how;
  const beforeMs: number[] = [];
  const afterMs: number[] = [];
  for (let round = 0; round < task.rounds; round++) {
    const adapter = createBybitAdapter({
      environment: 'TESTNET',
      credentials: demoAccount(1),
      baseUrl,
      now: () => performance.timeOrigin + performance.now(),
      wall: () => Date.now() + sleptMs,
      timestamp: () => Math.floor(simulator.serverTimeMs('BYBIT')),
      timeoutMs: 30_000,
    });
    await Promise.all(Array.from({ length: task.kept }, () => adapter.verifyAccount()));
    beforeMs.push(await timed(() => adapter.verifyAccount()));
    for (const socket of open) dead.add(socket);
    if (isNoticed) sleptMs += 60_000;
    afterMs.push(await timed(() => adapter.verifyAccount()));
    adapter.close();
    await pause(10);
  }
  return { death: how, isNoticed, beforeMs, afterMs };
}

const found: Thaw[] = [];
for (const how of ['reset', 'silent'] as const) {
  for (const isNoticed of [true, false]) found.push(await measure(how, isNoticed));
}
for (const socket of open) socket.destroy();
door.close();
await simulator.close();
answer(found);
