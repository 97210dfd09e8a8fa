/**
 * Settings that can only be wrong: one sentence and exit 2, whatever the command; and what looks like it and may pass,
 * which is exit 3, or waited for.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createEventStoreDbStore } from '../../src/event-store/eventstoredb/index.js';
import { sampleConnector } from '../contract/sample-events.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { startTestServer, type TestServer } from '../support/esdb-server/index.js';
import { startTlsDatabase, type TlsDatabase } from '../support/tls-database.js';
import { eventually } from '../support/world.js';
import { cli, json, spawnCli } from './support.js';

const NAMES = fileURLToPath(new URL('../support/names.mjs', import.meta.url));
const PASSWORD = 'hunter2';
/** Every command that uses the database or the event store; `demo` has a database of its own. */
const COMMANDS = [
  'migrate',
  'project',
  'project --once',
  'project --dead-letters',
  'rebuild',
  'rebuild --check',
  'stats',
  'history alice main',
  'invalidate alice main',
  'cleanup',
  'relay',
];

let database: TestDatabase;
let plain: TestServer;
let secured: TestServer;
let tlsDatabase: TlsDatabase;
let directory: string;

beforeAll(async () => {
  database = await createTestDatabase();
  plain = await startTestServer();
  secured = await startTestServer({ tls: true, users: { admin: 'correct horse' } });
  tlsDatabase = await startTlsDatabase();
  directory = await mkdtemp(join(tmpdir(), 'connector-state-names-'));
});
afterAll(async () => {
  await Promise.all([plain.close(), secured.close(), tlsDatabase.close()]);
  await rm(directory, { recursive: true });
  await database.drop();
});

/** As the resolver answers from now on; to be set for a process that is to believe it. */
async function resolver(answers: Readonly<Record<string, string>>) {
  const file = join(directory, 'names.json');
  await writeFile(file, JSON.stringify(answers));
  return { NODE_OPTIONS: `--import ${NAMES}`, TEST_NAMES: file };
}

/** Our database's URL, with a wrong password and what else is to be wrong. */
const fromOurs = (changes: { readonly hostname?: string; readonly search?: string } = {}): string =>
  Object.assign(new URL(database.url), { password: PASSWORD, ...changes }).href;

/** Each command to its end, two at a time. */
async function each(commands: readonly string[], env: Record<string, string>) {
  const results: { command: string; code: number | null; stdout: string; stderr: string }[] = [];
  const left = [...commands];
  const work = async () => {
    for (let command = left.shift(); command; command = left.shift())
      results.push({ command, ...(await cli(command.split(' '), { env })) });
  };
  await Promise.all([work(), work()]);
  return results;
}

function expectOneSentence(
  { code, stdout, stderr }: { code: number | null; stdout: string; stderr: string },
  sentence: RegExp,
) {
  expect(stderr).toMatch(sentence);
  expect(stderr.trim().split('\n')).toHaveLength(1);
  expect(stderr).not.toContain(PASSWORD);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
}

const wrongEventStores: readonly [string, (scheme: string) => string, RegExp][] = [
  [
    'a host that does not exist',
    scheme => `${scheme}://admin:${PASSWORD}@no-such-host.invalid`,
    /EVENT_STORE_URL: .*no such host: no-such-host\.invalid\): correct the host/,
  ],
  [
    'hosts of which none exists',
    scheme => `${scheme}://admin:${PASSWORD}@no-such-host.invalid,nor-this.invalid:2113`,
    /EVENT_STORE_URL: .*no such host: no-such-host\.invalid, nor-this\.invalid\)/,
  ],
  [
    'a wrong password',
    scheme => secured.url.replace('esdb://', `${scheme}://admin:${PASSWORD}@`),
    /EVENT_STORE_URL: .*did not take the user and password\): correct them/,
  ],
  [
    'a certificate that does not verify',
    scheme => `${scheme}://admin:${PASSWORD}@localhost:${secured.port}`,
    /EVENT_STORE_URL: .*certificate does not verify: [a-z ]+\): give the file of the authority .* as tlsCAFile/,
  ],
  [
    'no TLS where TLS is asked for',
    scheme => `${scheme}://admin:${PASSWORD}@localhost:${plain.port}`,
    /EVENT_STORE_URL: .*no TLS with this server\): add tls=false/,
  ],
];

describe.each(['esdb', 'esdb+discover'])('EVENT_STORE_URL=%s://…', scheme => {
  test.each(wrongEventStores)('%s', async (_, url, sentence) => {
    const env = { DATABASE_URL: database.url, EVENT_STORE_URL: url(scheme) };
    // One that would run for weeks.
    expectOneSentence(await cli(['project'], { env }), sentence);

    const doctor = await cli(['doctor', '--json'], { env });
    expect(doctor).toMatchObject({ code: 2, stderr: '' });
    const { checks } = json(doctor) as { checks: { name: string; message: string; status: string }[] };
    const [finding] = checks.filter(({ status }) => status === 'fail');
    expect(finding?.name).toBe('event store');
    expect(`EVENT_STORE_URL: ${finding?.message}`).toMatch(sentence);
    expect(doctor.stdout).not.toContain(PASSWORD);
  });
});

const wrongDatabases: readonly [string, () => string, RegExp][] = [
  [
    'a host that does not exist',
    () => fromOurs({ hostname: 'no-such-host.invalid' }),
    /at no-such-host\.invalid:\d+ cannot be found \(no such host\): correct the host in DATABASE_URL/,
  ],
  [
    'a wrong password',
    () => fromOurs(),
    /refuses the login: check the user and the password in DATABASE_URL/,
  ],
  [
    'a database that does not exist',
    () => database.url.replace(/\/[^/]*$/, '/nowhere'),
    /the database nowhere at .* does not exist: create it, or correct the name in DATABASE_URL/,
  ],
  [
    'a certificate that does not verify',
    () => `postgres://admin:${PASSWORD}@localhost:${tlsDatabase.port}/x?sslmode=verify-full`,
    /shows a certificate that does not verify \([A-Z_]+\): give the file of the authority .* as sslrootcert in DATABASE_URL/,
  ],
  [
    'no TLS where TLS is asked for',
    () => fromOurs({ search: '?sslmode=verify-full' }),
    /has no TLS: remove sslmode from DATABASE_URL, or turn TLS on/,
  ],
  [
    'a file that is not there',
    () => fromOurs({ search: '?sslmode=verify-full&sslrootcert=/nowhere/ca.pem' }),
    /ENOENT for the file \/nowhere\/ca\.pem\): correct sslrootcert/,
  ],
];

describe('DATABASE_URL', () => {
  test.each(wrongDatabases)('%s', async (_, url, sentence) => {
    const env = { DATABASE_URL: url() };
    expectOneSentence(await cli(['project'], { env }), sentence);

    for (const args of [['shard'], ['shadow-report'], ['chaos']]) {
      expectOneSentence(await cli(args, { env }), sentence);
    }
    const doctor = await cli(['doctor', '--json'], { env });
    expect(doctor).toMatchObject({ code: 2, stderr: '' });
    expect(doctor.stdout).toMatch(sentence);
    expect(doctor.stdout).not.toContain(PASSWORD);
  });
});

describe('every command', () => {
  test('copy says which end is wrong', async () => {
    for (const [_, url, sentence] of wrongEventStores) {
      const copy = await cli(['copy', '--from', url('esdb'), '--to', database.url]);
      expectOneSentence(copy, new RegExp(sentence.source.replace('EVENT_STORE_URL', '--from')));
    }
  });

  test('hears of a wrong event store', async () => {
    const env = { DATABASE_URL: database.url, EVENT_STORE_URL: 'esdb://no-such-host.invalid' };
    for (const result of await each(COMMANDS, env))
      expectOneSentence(result, /EVENT_STORE_URL: .*no such host/);
  });

  test('hears of a wrong database', async () => {
    const env = { DATABASE_URL: fromOurs() };
    for (const result of await each(COMMANDS, env)) expectOneSentence(result, /refuses the login/);
  });

  test('hears of both at once', async () => {
    const result = await cli(['stats'], {
      env: { DATABASE_URL: fromOurs(), EVENT_STORE_URL: 'esdb://no-such-host.invalid' },
    });
    expect(result.code).toBe(2);
    expect(result.stderr).toMatch(/DATABASE_URL[^\n]*\nEVENT_STORE_URL[^\n]*\n$/);
  });
});

describe('what may pass', () => {
  test('a resolver that does not answer is exit 3, and project waits for it', async () => {
    const env = {
      ...(await resolver({ 'events.test': 'EAI_AGAIN' })),
      DATABASE_URL: database.url,
      EVENT_STORE_URL: 'esdb://events.test:2113?tls=false',
    };
    expect((await cli(['rebuild', '--check'], { env })).code).toBe(3);
    expect((await cli(['doctor'], { env })).code).toBe(3);
    // What the database knows is told all the same.
    expect((await cli(['stats'], { env })).code).toBe(0);

    const worker = spawnCli(['project'], { env });
    await worker.waitForLine(/the projector was interrupted, and tries again/);
    worker.process.kill('SIGINT');
    expect((await worker.ended).code).toBe(0);

    const noDatabase = fromOurs({ hostname: 'events.test' });
    for (const command of ['stats', 'migrate'])
      expect((await cli([command], { env: { ...env, DATABASE_URL: noDatabase } })).code).toBe(3);
  });

  test('one host of several that does not exist does no harm', async () => {
    const result = await cli(['stats'], {
      env: {
        DATABASE_URL: database.url,
        EVENT_STORE_URL: `esdb+discover://no-such-host.invalid,localhost:${plain.port}?tls=false`,
      },
    });
    expect(result.code).toBe(0);
  });

  test('a name that goes while a projector runs is waited for, and the projector goes on', async () => {
    const server = await startTestServer();
    const own = await createTestDatabase();
    const writer = createEventStoreDbStore({ url: server.url });
    const { fact } = sampleConnector();
    const env = {
      ...(await resolver({ 'events.test': '127.0.0.1' })),
      DATABASE_URL: own.url,
      EVENT_STORE_URL: `esdb://events.test:${server.port}?tls=false`,
    };
    const applied = async (count: number) => {
      await eventually(async () => {
        const stats = json(await cli(['stats', '--json'], { env }));
        expect(stats).toMatchObject({ syncFailures: count, projectionLag: { events: 0 } });
      });
    };
    await writer.append([fact()]);
    const worker = spawnCli(['project'], { env });
    await applied(1);

    await resolver({ 'events.test': 'ENOTFOUND' });
    server.stop();
    await worker.waitForLine(/no such host/);
    await resolver({ 'events.test': '127.0.0.1' });
    await server.start();
    await writer.append([fact()]);

    await applied(2);
    worker.process.kill('SIGINT');
    expect((await worker.ended).code).toBe(0);
    await writer.close();
    await server.close();
    await own.drop();
  });
});
