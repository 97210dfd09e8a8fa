/** Events out of one database and into another as lines of JSON, followed live, as a user would. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { silentLogger } from '../../src/base/logging.js';
import { createPostgresEventStore } from '../../src/event-store/postgres/index.js';
import type { NewEvent } from '../../src/events/event.js';
import { createPool } from '../../src/postgres/pool.js';
import { many, sampleConnector } from '../contract/sample-events.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { itWhen } from '../support/it-when.js';
import { eventually } from '../support/world.js';
import { cli, json, MAIN, spawnCli } from './support.js';

const connector = sampleConnector();
const events = many(1_205, i => (i % 5 ? connector.fact() : connector.hit()));
let database: TestDatabase;
let folder: string;

async function append(url: string, added: readonly NewEvent[]): Promise<void> {
  const pool = createPool({ connectionString: url, max: 1, log: silentLogger });
  const store = createPostgresEventStore({ pool });
  await store.append(added);
  await store.close();
  await pool.end();
}

const run = (args: string[], url = database.url, input = '') =>
  cli(args, { env: { DATABASE_URL: url }, input });

beforeAll(async () => {
  database = await createTestDatabase();
  folder = await mkdtemp(join(tmpdir(), 'connector-state-transfer-'));
  await append(database.url, events);
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await database.drop();
});

const linesOf = async (file: string) => (await readFile(file, 'utf8')).trimEnd().split('\n');
const idsIn = async (file: string) => (await linesOf(file)).slice(1).map(line => JSON.parse(line).id);
const ids = events.map(({ id }) => id);

const onLinux = itWhen(existsSync('/dev/full'), 'needs /dev/full');

describe('export and import', () => {
  it('carry a log over as it is, once, however often they are repeated', async () => {
    const file = join(folder, 'all.ndjson');
    expect(json(await run(['export', file, '--json']))).toMatchObject({ events: events.length });
    expect(await idsIn(file)).toEqual(ids);
    expect((await stat(file)).mode & 0o077).toBe(0);

    const target = await createTestDatabase({ migrated: false });
    expect(json(await run(['import', file, '--json'], target.url))).toEqual({
      imported: events.length,
      skipped: 0,
    });
    expect(json(await run(['import', file, '--json'], target.url))).toEqual({
      imported: 0,
      skipped: events.length,
    });
    const back = join(folder, 'back.ndjson');
    await run(['export', back], target.url);
    expect(await readFile(back, 'utf8')).toBe(await readFile(file, 'utf8'));
    await target.drop();
  });

  it('tell lines that are in the file twice apart, within a page and further on', async () => {
    const file = join(folder, 'twice.ndjson');
    await run(['export', '-']).then(({ stdout }) => writeFile(file, stdout));
    const lines = await linesOf(file);
    await writeFile(file, `${[...lines.slice(0, 4), lines[3], ...lines.slice(4), lines[1]].join('\n')}\n`);
    const target = await createTestDatabase();
    const { stdout } = await run(['import', file], target.url);
    expect(stdout).toContain(`Imported ${events.length} events, 2 were there already.`);
    await target.drop();

    const empty = await createTestDatabase();
    await writeFile(file, `${lines[0]}\n`);
    expect((await run(['import', file], empty.url)).stdout).toBe('The export has no events.\n');
    await empty.drop();
  });

  it('go on after they were cut off, within a line too', async () => {
    const file = join(folder, 'cut.ndjson');
    await run(['export', file]);
    const whole = await readFile(file, 'utf8');
    await truncate(file, Math.floor(whole.length * 0.6));
    const target = await createTestDatabase();
    const part = join(folder, 'part.ndjson');
    await writeFile(part, `${(await linesOf(file)).slice(0, 301).join('\n')}\n`);
    expect(json(await run(['import', part, '--json'], target.url))).toMatchObject({ imported: 300 });

    expect((await run(['export', file])).code).toBe(2);
    const resumed = json(await run(['export', file, '--resume', '--json']));
    expect(resumed).toMatchObject({ resumed: true });
    expect(await readFile(file, 'utf8')).toBe(whole);
    expect(json(await run(['import', file, '--json'], target.url))).toEqual({
      imported: events.length - 300,
      skipped: 300,
    });
    await target.drop();
  });

  it('refuse what is no export, and a store with another past, and store nothing of it', async () => {
    const target = await createTestDatabase();
    const bad = join(folder, 'bad.ndjson');
    for (const [text, sentence] of [
      ['', /line 1 is not JSON/],
      ['{"format":"else"}\n', /line 1 is not the head of an export/],
      ['{"format":"connector-state-events","version":9,"log":null}\n', /format version 9/],
      [
        '{"format":"connector-state-events","version":1,"log":null}\n{"id":"canary"}\n',
        /line 2 is not an event/,
      ],
    ] as const) {
      await writeFile(bad, text);
      const { code, stderr } = await run(['import', bad], target.url);
      expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringMatching(sentence) });
      expect(stderr).not.toContain('canary');
    }
    const file = join(folder, 'all.ndjson');
    const [head, first, second] = await linesOf(file);
    await writeFile(bad, `${[head, second, first].join('\n')}\n`);
    const shuffled = await run(['import', bad], target.url);
    expect(shuffled).toMatchObject({ code: 2, stderr: expect.stringContaining('not in the order') });
    await append(target.url, [sampleConnector().fact()]);
    const { code, stderr } = await run(['import', file], target.url);
    expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringContaining('not empty') });
    await target.drop();
  });

  it('say which file cannot be read, in a sentence', async () => {
    for (const args of [
      ['import', join(folder, 'nowhere')],
      ['import', folder],
      ['export', folder, '--resume'],
    ]) {
      const { code, stderr } = await run(args);
      expect({ code, stderr }).toMatchObject({
        code: 2,
        stderr: expect.stringMatching(
          /^connector-state: \S+ cannot be read \(E[A-Z]+\): check its name and rights\n$/,
        ),
      });
    }
  });

  it('leave what is no export as it is', async () => {
    const file = join(folder, 'notes.txt');
    const notes = 'one line\nand the beginning of another';
    await writeFile(file, notes);

    expect((await run(['export', file, '--resume'])).code).toBe(2);

    expect(await readFile(file, 'utf8')).toBe(notes);
  });

  onLinux(
    'say that there is no room, on a disk or behind stdout, and end quietly where the reader left',
    async () => {
      const file = join(folder, 'large.ndjson');
      const shell = (command: string) =>
        spawnSync('sh', ['-c', command, process.execPath, MAIN, file], {
          env: { ...process.env, DATABASE_URL: database.url, LOG_LEVEL: 'warn' },
          encoding: 'utf8',
        });

      // In blocks of 512 bytes; what is beyond is EFBIG.
      const tooLarge = shell('ulimit -f 16; "$0" "$1" export "$2"');
      expect(tooLarge).toMatchObject({
        status: 2,
        stderr: expect.stringContaining(`${file} takes no more (EFBIG)`),
      });
      expect((await run(['export', file, '--resume'])).code).toBe(0);
      expect(await linesOf(file)).toHaveLength(events.length + 1);

      expect(shell('"$0" "$1" export - | head -1')).toMatchObject({ status: 0, stderr: '' });
      for (const command of ['export -', 'stats', '--help']) {
        expect(shell(`"$0" "$1" ${command} > /dev/full`)).toMatchObject({
          status: 1,
          stderr: expect.stringMatching(/^connector-state: stdout takes no more \(ENOSPC\): [^\n]*\n$/),
        });
      }
    },
  );

  it('use stdout and stdin', async () => {
    const { stdout } = await run(['export', '-']);
    expect(stdout.trimEnd().split('\n')).toHaveLength(events.length + 1);
    const target = await createTestDatabase();
    expect(json(await run(['import', '-', '--json'], target.url, stdout))).toMatchObject({
      imported: events.length,
    });
    await target.drop();
  });
});

describe('tail', () => {
  it('tells events with their place, filtered, and goes on from there', async () => {
    const first = await run([
      'tail',
      '--from',
      'beginning',
      '--limit',
      '3',
      '--json',
      '--type',
      'ConnectorStateHit',
    ]);
    const lines = first.stdout
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line));
    expect(lines.map(({ id }) => id)).toEqual([ids[0], ids[5], ids[10]]);
    const { token } = lines[2];
    expect(first.stderr).toContain(`Go on from here: --from ${token}`);
    const next = await run(['tail', '--from', token, '--limit', '1', '--json']);
    expect(JSON.parse(next.stdout).id).toBe(ids[11]);
    const text = await run(['tail', '--from', 'beginning', '--limit', '1']);
    expect(text.stdout).toMatch(/^\S+ ConnectorStateHit BYBIT MAINNET user-\S+ cred_1\n {2}3 × memory\n$/);
  });

  it('is live until it is interrupted, and then ends well', async () => {
    const running = spawnCli(['tail', '--json'], { env: { DATABASE_URL: database.url } });
    await running.waitForLine(/what follows is live/);
    const event = connector.fact();
    await append(database.url, [event]);
    await running.waitForLine(new RegExp(event.id));
    running.process.kill('SIGINT');
    const { code, stderr } = await running.ended;
    expect(code).toBe(0);
    expect(stderr).toContain('Go on from here');
  });

  it('refuses a place that no feed gave', async () => {
    const { code, stderr } = await run(['tail', '--from', 'yesterday']);
    expect({ code, stderr }).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('"beginning", "end"'),
    });
  });
});

describe('a command', () => {
  it.each([
    [['tail', '--from', 'beginning', '--json']],
    [['history', connector.ref.userId, connector.ref.credentialId]],
    [['history', connector.ref.userId, connector.ref.credentialId, '--json']],
  ])('ends in silence when its reader has what he wanted: %j', async args => {
    const { process: child, ended } = spawnCli(args, { env: { DATABASE_URL: database.url } });
    child.stdout.once('data', () => child.stdout.destroy());
    const { code, stderr } = await ended;
    expect({ code, stderr: stderr.replace(/^\(what follows.*\n/, '') }).toEqual({ code: 0, stderr: '' });
  });

  it('that waits for its input is ended by one Ctrl-C', async () => {
    const target = await createTestDatabase();
    const {
      process: child,
      ended,
      waitForLine,
    } = spawnCli(['import', '-'], {
      env: { DATABASE_URL: target.url },
    });
    const observer = createPool({ connectionString: database.url, max: 1, log: silentLogger });
    const asksForTheLast = `SELECT count(*)::int AS n FROM pg_stat_activity
      WHERE datname = $1 AND state = 'idle' AND query LIKE '%FROM connector_event%'`;
    await eventually(async () => {
      const { rows } = await observer.query(asksForTheLast, [new URL(target.url).pathname.slice(1)]);
      expect(rows).toEqual([{ n: 1 }]);
    });
    await observer.end();
    child.kill('SIGINT');
    await waitForLine(/SIGINT: stopping/);
    expect(await ended).toMatchObject({ code: 130, stdout: '' });
    await target.drop();
  });
});
