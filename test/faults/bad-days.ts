/**
 * What happens to a cluster, each from beginning to end: it begins, the writers go on recording, and whatever doctor can
 * say of it while it lasts is asked for; then it is over.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Random } from '../../src/exchanges/simulator/random.js';
import { eventually } from '../support/world.js';
import { type ClusterWorld, type Finding, PASSWORD, USER } from './cluster-world.js';

export interface Said {
  readonly expected: RegExp;
  readonly of: string;
  readonly found: readonly Finding[];
}

export interface BadDay {
  readonly name: string;
  /** @returns what doctor was asked for meanwhile, and what it must have said */
  run(world: ClusterWorld, random: Random): Promise<Said | undefined>;
}

const PATIENCE_MS = 120_000;
const LONGEST_MS = 1_500;
const EVENTS_MEANWHILE = 20;
/** Below any fact's size. */
const SMALL_BYTES = 50;

const lasting = (random: Random) => pause(random() * LONGEST_MS);

async function goingOn(world: ClusterWorld): Promise<void> {
  const before = world.acknowledged();
  await eventually(() => world.acknowledged() >= before + EVENTS_MEANWHILE, PATIENCE_MS);
}

const leaderOf = async ({ cluster }: ClusterWorld): Promise<number> => {
  await eventually(() => cluster.leader !== undefined, PATIENCE_MS);
  return cluster.leader as number;
};

/** Until what waits has the cause that doctor is to tell. */
const waitsFor = (world: ClusterWorld, cause: RegExp) =>
  eventually(async () => {
    const { refused, lastError, waiting } = await world.outbox.status();
    return waiting > 0 && cause.test(`${refused.error} ${lastError}`);
  }, PATIENCE_MS);

const LOOKS = 5;

/** What waits is tried again while doctor looks: it must say so of what stays as it is, in one of a few looks. */
async function told(world: ClusterWorld, of: string, expected: RegExp): Promise<Said> {
  for (let look = 1; ; look++) {
    const found = await world.doctor();
    const check = found.find(({ name }) => name === of);
    if (look === LOOKS || expected.test(`${check?.status} ${check?.message}`)) return { of, expected, found };
  }
}

export const BAD_DAYS: readonly BadDay[] = [
  {
    name: 'the leader is killed',
    async run(world, random) {
      const leader = await leaderOf(world);
      world.cluster.kill(leader);
      await goingOn(world);
      await lasting(random);
      await world.cluster.revive(leader);
      return undefined;
    },
  },
  {
    name: 'the leader freezes',
    async run(world, random) {
      const leader = await leaderOf(world);
      world.cluster.freeze(leader);
      await goingOn(world);
      await lasting(random);
      world.cluster.thaw(leader);
      return undefined;
    },
  },
  {
    name: 'the leader is cut off from the others',
    async run(world, random) {
      const leader = await leaderOf(world);
      world.cluster.isolate(leader);
      await goingOn(world);
      await lasting(random);
      world.cluster.rejoin(leader);
      return undefined;
    },
  },
  {
    name: 'a follower lags',
    async run(world) {
      const follower = ((await leaderOf(world)) + 1) % 3;
      world.cluster.lag(follower);
      await goingOn(world);
      world.cluster.catchUp(follower);
      return undefined;
    },
  },
  {
    name: 'the cluster is rolled',
    async run(world) {
      for (const index of world.cluster.nodes.keys()) {
        world.cluster.kill(index);
        await goingOn(world);
        await world.cluster.revive(index);
      }
      return undefined;
    },
  },
  {
    name: 'the majority is gone',
    async run(world) {
      const [one, other] = [await leaderOf(world), ((await leaderOf(world)) + 1) % 3];
      world.cluster.kill(one);
      world.cluster.kill(other);
      await eventually(async () => (await world.outbox.status()).waiting > 0, PATIENCE_MS);
      const found = await world.doctor();
      await world.cluster.revive(one);
      await world.cluster.revive(other);
      return { of: 'event store', expected: /^(warn|fail) /, found };
    },
  },
  {
    name: 'the projector is killed',
    async run({ projector }) {
      await eventually(() => projector.kill(), PATIENCE_MS);
      return undefined;
    },
  },
  {
    name: 'the cluster is restored from a backup that has everything',
    async run(world) {
      world.load.isHeld = true;
      const isQuiet = async () => isAllFlushed(world) && (await isOnlyRefused(world));
      await eventually(isQuiet, PATIENCE_MS);
      await world.cluster.restore(world.cluster.log.backup());
      world.load.isHeld = false;
      return undefined;
    },
  },
  {
    name: 'the user’s password is changed',
    async run(world) {
      const user = world.users[USER] as { password: string };
      user.password = 'another';
      await waitsFor(world, /access|credential|password|right/i);
      const said = await told(world, 'event store', /^(warn|fail) .*(access|credential|password|user)/i);
      user.password = PASSWORD;
      return said;
    },
  },
  {
    name: 'a stream is deleted for good',
    async run(world, random) {
      const { acknowledged } = world.writers[Math.floor(random() * world.writers.length)] as {
        acknowledged: readonly { stream: string }[];
      };
      const stream = acknowledged.at(-1)?.stream;
      if (stream === undefined) return undefined;
      await leaderOf(world);
      world.cluster.log.tombstone(stream);
      world.tombstoned.add(stream);
      await goingOn(world);
      return undefined;
    },
  },
  {
    name: 'the size of appends is limited',
    async run(world) {
      const logs = [...world.cluster.nodes.keys()].map(index => world.cluster.logOf(index));
      const before = logs.map(log => log.maxAppendBytes);
      for (const log of logs) log.maxAppendBytes = SMALL_BYTES;
      await waitsFor(world, /large|size/i);
      const said = await told(world, 'outbox', /^warn .*(large|size)/i);
      for (const [index, log] of logs.entries()) log.maxAppendBytes = before[index] as number;
      return said;
    },
  },
];

const isAllFlushed = ({ writers }: ClusterWorld): boolean =>
  writers.every(({ recorder }) => recorder.stats().pending === 0);

/** What is for a deleted stream waits for ever. */
async function isOnlyRefused({ outbox }: ClusterWorld): Promise<boolean> {
  const { waiting, refused } = await outbox.status();
  return waiting === refused.events;
}
