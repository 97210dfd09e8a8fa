/**
 * The lookup's statement, and an append of one hit, over connections that differ in nothing but row-level security: blocks of
 * each in turns, compared block by block with the first of them. All ask for the same few rows, so that what is
 * compared is the statement and not the disk; and commits wait for no disk.
 */
import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { cacheKeyOf } from '../../src/events/connector.js';
import { hitsStreamOf } from '../../src/events/streams.js';
import { LOOKUP_SQL, LOOKUP_STATEMENT_NAME, lookupParameters } from '../../src/read-model/lookup.js';
import { connectorOf } from '../states.js';
import { median } from '../statistics.js';
import { answer, readTask } from './task.js';

export interface TenantLookupsTask {
  /** The first is what the others are compared with. */
  readonly connections: readonly { readonly name: string; readonly url: string }[];
  readonly blocks: number;
  readonly callsPerBlock: number;
}

export interface TenantLookupsAnswer {
  readonly connections: readonly {
    readonly name: string;
    readonly lookupUs: number;
    /** Median of the blocks' ratios of times. */
    readonly lookupRatio: number;
    readonly appendUs: number;
    readonly appendRatio: number;
  }[];
}

const task = readTask<TenantLookupsTask>();
/** Of the one user. */
const REFS = Array.from({ length: 10 }, (_, index) => connectorOf(index));

const lookUp = async (client: Client, call: number) => {
  const ref = REFS[call % REFS.length] as (typeof REFS)[number];
  const { rows } = await client.query<unknown[]>({
    name: LOOKUP_STATEMENT_NAME,
    text: LOOKUP_SQL,
    values: lookupParameters([{ ...ref, cacheKey: cacheKeyOf(ref) }]),
    rowMode: 'array',
  });
  if (rows[0]?.[2] !== ref.userId) throw new Error('a lookup found another row');
};

const append = async (client: Client, call: number) => {
  const ref = REFS[call % REFS.length] as (typeof REFS)[number];
  const data = { ...ref, tier: 'postgres', count: 1, firstAt: 1_760_000_000_000, lastAt: 1_760_000_000_000 };
  await client.query({
    name: 'bench_append',
    text: `SELECT versions FROM connector_event_append_together(ARRAY[$1::uuid], ARRAY[$2], ARRAY['ConnectorStateHit'],
             ARRAY[3], $3, ARRAY[1760000000000], ARRAY['bench/1'], ARRAY[NULL], ARRAY[NULL], 5000)`,
    values: [randomUUID(), hitsStreamOf(ref), JSON.stringify(data)],
  });
};

const clients = await Promise.all(
  task.connections.map(async ({ name, url }) => {
    const client = new Client({ connectionString: url });
    await client.connect();
    await client.query('SET synchronous_commit = off');
    return { name, client };
  }),
);

async function inTurns(work: (client: Client, call: number) => Promise<void>) {
  const us = clients.map((): number[] => []);
  // The first block of each warms it up.
  for (let block = -1; block < task.blocks; block++) {
    // Who goes first alternates.
    const order = clients.map((_, i) => (i + block + 1) % clients.length);
    for (const i of order) {
      const { client } = clients[i] as (typeof clients)[number];
      const startedMs = performance.now();
      for (let call = 0; call < task.callsPerBlock; call++) await work(client, call);
      const tookUs = ((performance.now() - startedMs) * 1_000) / task.callsPerBlock;
      if (block >= 0) us[i]?.push(tookUs);
    }
  }
  const [first = []] = us;
  return us.map(each => ({
    us: median(each),
    ratio: median(each.map((one, block) => one / (first[block] as number))),
  }));
}

const lookups = await inTurns(lookUp);
const appends = await inTurns(append);
for (const { client } of clients) await client.end();
answer({
  connections: clients.map(({ name }, i) => ({
    name,
    lookupUs: lookups[i]?.us ?? Number.NaN,
    lookupRatio: lookups[i]?.ratio ?? Number.NaN,
    appendUs: appends[i]?.us ?? Number.NaN,
    appendRatio: appends[i]?.ratio ?? Number.NaN,
  })),
} satisfies TenantLookupsAnswer);
