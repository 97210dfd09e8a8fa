/**
 * A network that fails at random while several processes write: afterwards every acknowledged event is in the event
 * store exactly once, each writer's in the order it was acknowledged in, and nothing waits.
 *
 * A failure prints its seed: CHAOS_SEED=… repeats its decisions. CHAOS_ROUNDS sets the number of rounds.
 */

import { setTimeout as pause } from 'node:timers/promises';
import { expect, it } from '@jest/globals';
import type { NewEvent } from '../../../src/events/event.js';
import { seededRandom } from '../../../src/exchanges/simulator/random.js';
import { many, type SampleConnector, sampleConnector } from '../../contract/sample-events.js';
import { givenOutbox, type OutboxWorld, type Writer } from './world.js';

const ROUNDS = Number(process.env.CHAOS_ROUNDS ?? 60);
const SEED = Number(process.env.CHAOS_SEED ?? Date.now() % 2 ** 31);
const WRITERS = 3;

/** Appends batch after batch until told to stop, retrying what failed as the recorder does. */
async function write(
  { store }: Writer,
  connectors: readonly SampleConnector[],
  random: () => number,
  acknowledged: NewEvent[],
  isOver: () => boolean,
): Promise<void> {
  let batch: NewEvent[] = [];
  while (!isOver() || batch.length > 0) {
    if (batch.length === 0) {
      batch = many(1 + Math.floor(random() * 5), () => {
        const connector = connectors[Math.floor(random() * connectors.length)] as SampleConnector;
        return random() < 0.3 ? connector.hit() : connector.fact();
      });
    }
    try {
      await store.append(batch);
      acknowledged.push(...batch);
      batch = [];
    } catch {
      await pause(5);
    }
    await pause(random() * 10);
  }
}

async function misbehave(
  { remoteProxy, localProxy, pool }: OutboxWorld,
  random: () => number,
): Promise<void> {
  const pick = random();
  if (pick < 0.25) await remoteProxy.refuse();
  else if (pick < 0.4) remoteProxy.behave('hang');
  else if (pick < 0.55) remoteProxy.behave('swallow-answers');
  else if (pick < 0.7) remoteProxy.cut();
  else if (pick < 0.8) localProxy.cut();
  else if (pick < 0.85) await localProxy.refuse();
  else if (pick < 0.9) {
    // A relay or a writer that dies in the middle of a statement.
    await pool.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND random() < 0.5`,
    );
  }
}

/** Until nothing waits. */
async function calm({ table }: OutboxWorld, writers: readonly Writer[]): Promise<void> {
  for (let tries = 0; (await table.status()).waiting > 0; tries++) {
    expect(tries).toBeLessThan(1_000);
    await Promise.all(writers.map(({ relay }) => relay.drain({ force: true })));
    await pause(5);
  }
}

it(`${ROUNDS} rounds of chaos lose nothing, double nothing and keep every writer's order (seed ${SEED})`, async () => {
  const random = seededRandom(SEED);
  const world = await givenOutbox();
  // Connectors are shared: processes write to the same streams.
  const connectors = many(4, sampleConnector);
  const writers = many(WRITERS, () => world.writer({ relayOptions: { batchSize: 20 } }));
  const acknowledged = writers.map((): NewEvent[] => []);
  let isOver = false;
  for (const { relay } of writers) relay.start();
  const writing = writers.map((writer, index) =>
    write(
      writer,
      connectors,
      seededRandom(SEED + index + 1),
      acknowledged[index] as NewEvent[],
      () => isOver,
    ),
  );

  for (let round = 0; round < ROUNDS; round++) {
    await misbehave(world, random);
    await pause(random() * 150);
    await world.remoteProxy.recover();
    await world.localProxy.recover();
    if (random() < 0.5) world.remoteProxy.cut();
    await pause(random() * 100);
    // Now and then long enough for the relay, which rests longer after each failure, so that both ways are used.
    if (round % 10 === 0) await calm(world, writers);
  }
  isOver = true;
  world.remoteProxy.cut();
  world.localProxy.cut();
  await Promise.all(writing);

  await calm(world, writers);

  const stored = await world.stored();
  const storedIds = stored.map(({ id }) => id);
  expect(new Set(storedIds).size).toBe(storedIds.length);
  const placeOf = new Map(storedIds.map((id, place) => [id, place]));
  let total = 0;
  for (const mine of acknowledged) {
    total += mine.length;
    const places = mine.map(({ id }) => placeOf.get(id));
    expect(places.filter(place => place === undefined)).toEqual([]);
    for (const { stateStream, hitsStream } of connectors) {
      for (const stream of [stateStream, hitsStream]) {
        const inStream = mine
          .filter(event => event.stream === stream)
          .map(({ id }) => placeOf.get(id) as number);
        expect(inStream).toEqual([...inStream].sort((a, b) => a - b));
      }
    }
  }
  // Nothing but what was acknowledged, for who writes retries until it is.
  expect(stored).toHaveLength(total);
  expect(await world.table.status()).toMatchObject({ waiting: 0, dead: 0 });
  // The test is worth nothing if the outbox was not used, or nothing went past it.
  const forwarded = writers.reduce((sum, { relay }) => sum + relay.counters.forwarded, 0);
  expect(forwarded).toBeGreaterThan(0);
  expect(forwarded).toBeLessThan(total);
}, 300_000);
