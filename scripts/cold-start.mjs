/**
 * Import, create and first lookup in a new process, of two installs of the package by turns: what became of the cold start.
 *
 *   DATABASE_URL=postgres://… node scripts/cold-start.mjs <folder A> <folder B> [rounds]
 *
 * Each folder has connector-state and bybit-api installed (`npm install ./connector-state-….tgz bybit-api`). Prints the medians
 * of wall and CPU time and of B / A, round by round; where other programs use the machine, the CPU time tells more. Makes
 * and drops a database `cold_a` and a `cold_b`.
 */
import { spawnSync } from 'node:child_process';
import pg from 'pg';

const [a, b, rounds = '30'] = process.argv.slice(2);
const { DATABASE_URL } = process.env;
if (!a || !b || !DATABASE_URL) throw new Error('two folders and a DATABASE_URL are needed');

const PROGRAM = `
  const before = process.cpuUsage();
  const startMs = performance.now();
  const { createConnectorState } = await import('connector-state');
  await import('connector-state/bybit');
  const state = await createConnectorState({ logLevel: 'silent' });
  await state.cache.get({ userId: 'a', credentialId: 'c', exchange: 'BYBIT', environment: 'MAINNET' });
  const wall = performance.now() - startMs;
  const { user, system } = process.cpuUsage(before);
  process.stdout.write(JSON.stringify({ wall, cpu: (user + system) / 1_000 }));
  process.exit(0);`;

const folders = { a, b };
const urlOf = name => Object.assign(new URL(DATABASE_URL), { pathname: `/cold_${name}` }).href;
function start(name) {
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', PROGRAM], {
    cwd: folders[name],
    env: { ...process.env, DATABASE_URL: urlOf(name), POOL_SIZE: '2' },
    encoding: 'utf8',
  });
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout);
}
const medianOf = values => values.toSorted((x, y) => x - y)[Math.floor(values.length / 2)];

const admin = new pg.Client({ connectionString: DATABASE_URL });
await admin.connect();
try {
  for (const name of ['a', 'b']) {
    await admin.query(`DROP DATABASE IF EXISTS cold_${name}`);
    await admin.query(`CREATE DATABASE cold_${name}`);
    // Makes the tables.
    start(name);
  }
  const seen = { a: [], b: [] };
  for (let i = 0; i < Number(rounds); i++) {
    for (const name of i % 2 ? ['b', 'a'] : ['a', 'b']) seen[name].push(start(name));
  }
  for (const what of ['wall', 'cpu']) {
    const [first, second] = [seen.a, seen.b].map(each => each.map(run => run[what]));
    const ratio = medianOf(second.map((value, i) => value / first[i]));
    process.stdout.write(
      `${what}: ${medianOf(first).toFixed(1)} ms and ${medianOf(second).toFixed(1)} ms, ${ratio.toFixed(2)} ×\n`,
    );
  }
} finally {
  for (const name of ['a', 'b']) await admin.query(`DROP DATABASE IF EXISTS cold_${name} WITH (FORCE)`);
  await admin.end();
}
