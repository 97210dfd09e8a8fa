/**
 * A cluster's bad days in a row, one seeded run: nodes killed, frozen, cut off, lagging, rolled, without a majority,
 * restored; the user's password changed, streams deleted for good, limits lowered. Afterwards everything acknowledged
 * is in the store once and in its writer's order, or waits in the outbox with the cause named; rebuilt rows equal the
 * live ones; and `doctor` said what was wrong each time it was asked.
 *
 * CLUSTER_SEED=… repeats the decisions, though not the machine's timing. CLUSTER_ROUNDS sets the number of rounds.
 */
import { afterEach, expect, it } from '@jest/globals';
import { createEventStoreDbStore } from '../../src/event-store/eventstoredb/index.js';
import { seededRandom } from '../../src/exchanges/simulator/random.js';
import { createProjector } from '../../src/projector/index.js';
import { cli, json } from '../cli/support.js';
import { readToHead } from '../contract/harness.js';
import { eventually } from '../support/world.js';
import { BAD_DAYS, type BadDay } from './bad-days.js';
import { type ClusterWorld, givenClusterWorld } from './cluster-world.js';

const ROUNDS = Number(process.env.CLUSTER_ROUNDS ?? 30);
const SEED = Number(process.env.CLUSTER_SEED ?? Date.now() % 2 ** 31);
const PATIENCE_MS = 180_000;

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** Of what waits. */
async function waitingRows({ pool }: ClusterWorld) {
  const { rows } = await pool.query<{ id: string; stream: string; cause: string | null }>(
    `SELECT w.event_id::text AS id, w.stream,
       (SELECT h.last_error FROM connector_outbox h WHERE h.stream = w.stream ORDER BY h.id LIMIT 1) AS cause
     FROM connector_outbox w ORDER BY w.id`,
  );
  return rows;
}

it(`${ROUNDS} bad days of a cluster lose nothing and double nothing (seed ${SEED})`, async () => {
  const random = seededRandom(SEED);
  const world = await givenClusterWorld();
  closers.push(() => world.close());
  const { writers, load, pool, projector, tombstoned } = world;
  const writing = Promise.all(
    writers.map((writer, index) => writer.write(seededRandom(SEED + index + 1), load)),
  );
  const days = Array.from({ length: ROUNDS }, (_, round) =>
    // Each kind at least once, and then whatever comes.
    round < BAD_DAYS.length ? BAD_DAYS[round] : BAD_DAYS[Math.floor(random() * BAD_DAYS.length)],
  ) as readonly BadDay[];
  const untrue: unknown[] = [];

  for (const [round, day] of days.entries()) {
    const said = await day.run(world, random).catch((cause: unknown) => {
      throw new Error(`round ${round + 1}, ${day.name}`, { cause });
    });
    if (!said) continue;
    const check = said.found.find(({ name }) => name === said.of);
    if (!said.expected.test(`${check?.status} ${check?.message}`))
      untrue.push({ round, day: day.name, check });
  }
  load.isOver = true;
  await writing;
  const isAllThatCanBe = async () =>
    (await waitingRows(world)).every(({ stream, cause }) => tombstoned.has(stream) && cause);
  await eventually(isAllThatCanBe, PATIENCE_MS);
  const store = createEventStoreDbStore({ url: world.url });
  closers.push(() => store.close());
  const { lag } = createProjector({ store, pool });
  await eventually(async () => (await lag()).events === 0, PATIENCE_MS);
  await projector.stop();

  expect(untrue).toEqual([]);
  const acknowledged = writers.flatMap(writer => writer.acknowledged);
  const storedIds = (await readToHead(store, undefined)).map(({ id }) => id);
  const waiting = await waitingRows(world);
  expect(new Set(storedIds).size).toBe(storedIds.length);
  const [known, there] = [
    new Set(acknowledged.map(({ id }) => id)),
    new Set([...storedIds, ...waiting.map(({ id }) => id)]),
  ];
  expect({
    missing: acknowledged.filter(({ id }) => !there.has(id)),
    unknown: storedIds.filter(id => !known.has(id)),
    both: waiting.filter(({ id }) => storedIds.includes(id)),
  }).toEqual({ missing: [], unknown: [], both: [] });
  const placeOf = new Map(storedIds.map((id, place) => [id, place]));
  for (const writer of writers) {
    for (const stream of new Set(writer.acknowledged.map(event => event.stream))) {
      const own = writer.acknowledged.filter(event => event.stream === stream);
      const places = own.map(({ id }) => placeOf.get(id)).filter(place => place !== undefined);
      expect(places).toEqual([...places].sort((a, b) => a - b));
    }
  }
  expect(waiting.filter(({ cause }) => !/deleted/i.test(String(cause)))).toEqual([]);
  const checked = json(await cli(['rebuild', '--check', '--json'], { env: world.env }));
  expect(checked).toMatchObject({ equal: true, events: storedIds.length });
  // While the password was another, to end and say so is right.
  expect(projector.findings.filter(said => !/did not take the user and password/.test(said))).toEqual([]);

  process.stdout.write(
    `${ROUNDS} bad days (seed ${SEED}): ${storedIds.length} events stored once, ${waiting.length} wait behind ${tombstoned.size} deleted streams, the cause named\n`,
  );
}, 3_600_000);
