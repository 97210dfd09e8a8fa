import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { pg } from '../../src/postgres/driver.js';
import { startEmbeddedPostgres } from '../../src/postgres/embedded/index.js';
import { makePlace, type Place, query, ready, serverPid, untilStopped } from './embedded-place.js';

const passwordOf = (url: string) => new URL(url).password;

describe('an embedded PostgreSQL, started for the first time', () => {
  const first = makePlace();
  let url: string;

  beforeAll(async () => {
    ({ url } = await first.start());
  });

  afterAll(() => first.clear());

  it('orders text by code point in UTF-8, and keeps time in UTC', async () => {
    const [row] = await query(
      url,
      `SELECT current_setting('server_encoding') AS encoding, 'a' < 'B' AS linguistic, upper('ö') AS upper,
              current_setting('timezone') AS timezone`,
    );

    expect(row).toEqual({ encoding: 'UTF8', linguistic: false, upper: 'Ö', timezone: 'UTC' });
  });

  it('listens on the loopback interface only, and on no Unix socket', async () => {
    expect(await query(url, 'SHOW listen_addresses')).toEqual([{ listen_addresses: '127.0.0.1' }]);
    expect(await query(url, 'SHOW unix_socket_directories')).toEqual([{ unix_socket_directories: '' }]);
    for (const { address, internal } of Object.values(networkInterfaces()).flatMap(list => list ?? [])) {
      if (!internal) expect(await canConnect(address, Number(new URL(url).port))).toBe(false);
    }
  });

  it('asks for a password that only its owner can read and that no log holds', async () => {
    const password = passwordOf(url);
    const file = `${first.dataDir}.password`;

    expect(readFileSync(file, 'utf8')).toBe(password);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const guess = new URL(url);
    guess.password = 'guess';
    await expect(query(guess.href, 'SELECT 1')).rejects.toMatchObject({ code: '28P01' });
    expect(await query(url, 'SELECT rolpassword FROM pg_authid WHERE rolname = current_user')).toEqual([
      { rolpassword: expect.stringMatching(/^SCRAM-SHA-256\$/) },
    ]);
    expect(first.logged.join()).not.toContain(password);
    expect(readFileSync(join(first.dataDir, 'server.log'), 'utf8')).not.toContain(password);
  });

  it('leaves nothing beside the data directory and the password', async () => {
    expect(readdirSync(dirname(first.dataDir)).sort()).toEqual(['postgres', 'postgres.password']);
  });
});

let place: Place;

beforeEach(() => {
  place = makePlace();
});

afterEach(() => place.clear());

describe('startEmbeddedPostgres', () => {
  it('is reached whatever the environment says of another server', async () => {
    const elsewhere = {
      PGSSLMODE: 'verify-full',
      PGSSLNEGOTIATION: 'direct',
      PGOPTIONS: '-c search_path=elsewhere',
      PGREPLICATION: 'database',
      PGCLIENT_ENCODING: 'LATIN1',
      PGHOST: '192.0.2.1',
      PGPORT: '1',
      PGUSER: 'nobody',
      PGPASSWORD: 'wrong',
      PGDATABASE: 'elsewhere',
    };
    Object.assign(process.env, elsewhere);
    try {
      const server = await place.start();
      expect(await query(server.url, "SELECT current_schema() AS schema, 'Ω' AS letter")).toEqual([
        { schema: 'public', letter: 'Ω' },
      ]);
    } finally {
      for (const name of Object.keys(elsewhere)) delete process.env[name];
    }
  });

  it('serves a database of the name asked for', async () => {
    const server = await startEmbeddedPostgres({
      dataDir: place.dataDir,
      databaseName: 'Näme "quoted"',
      durable: false,
    });
    try {
      expect(await query(server.url, 'SELECT current_database() AS name')).toEqual([
        { name: 'Näme "quoted"' },
      ]);
      expect(server).toMatchObject({ dataDir: place.dataDir, owned: true });
    } finally {
      await server.stop();
    }
  });

  it('waits for the disk unless told that the data does not matter', async () => {
    const careless = await place.start();
    expect(await query(careless.url, 'SHOW fsync')).toEqual([{ fsync: 'off' }]);
    await careless.stop();

    const careful = await startEmbeddedPostgres({ dataDir: place.dataDir });
    try {
      expect(await query(careful.url, 'SHOW fsync')).toEqual([{ fsync: 'on' }]);
      expect(await query(careful.url, 'SHOW synchronous_commit')).toEqual([{ synchronous_commit: 'on' }]);
    } finally {
      await careful.stop();
    }
  });

  it('refuses a database name that cannot be one', async () => {
    await expect(
      startEmbeddedPostgres({ dataDir: place.dataDir, databaseName: 'x'.repeat(64) }),
    ).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    expect(existsSync(dirname(place.dataDir))).toBe(false);
  });
});

describe('an embedded PostgreSQL, stopped', () => {
  it('ends, and has the data when started again', async () => {
    const first = await place.start();
    await query(first.url, 'CREATE TABLE kept AS SELECT 42 AS answer');

    await first.stop();

    await expect(query(first.url, 'SELECT 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    const second = await place.start();
    expect(second.owned).toBe(true);
    expect(await query(second.url, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
    expect(passwordOf(second.url)).toBe(passwordOf(first.url));
  });

  it('may be stopped twice', async () => {
    const server = await place.start();

    await Promise.all([server.stop(), server.stop()]);
    await server.stop();
  });

  it('may be stopped after its server was ended by somebody else', async () => {
    const server = await place.start();
    process.kill(serverPid(place.dataDir), 'SIGINT');
    await untilStopped(place.dataDir);

    await server.stop();
  });
});

describe('an embedded PostgreSQL, shared', () => {
  it('is one server for all, and ends with the last to leave, whoever started it', async () => {
    const starter = await place.start();
    const guest = place.startElsewhere();
    const { owned, url } = await ready(guest);
    expect({ owned, url }).toEqual({ owned: false, url: starter.url });

    await starter.stop();
    expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    const newcomer = await place.start();
    expect(newcomer).toMatchObject({ owned: false, url });
    await newcomer.stop();
    expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);

    guest.process.stdin.write('stop\n');
    expect(await guest.ended).toMatchObject({ code: 0 });
    await expect(query(url, 'SELECT 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('works for processes that start in the same instant where nothing is yet', async () => {
    const children = Array.from({ length: 4 }, () => place.startElsewhere());

    const answers = await Promise.all(children.map(ready));

    expect(new Set(answers.map(answer => answer.url)).size).toBe(1);
    expect(answers.filter(answer => answer.owned)).toHaveLength(1);
    for (const child of children) child.process.stdin.write('stop\n');
    expect((await Promise.all(children.map(child => child.ended))).map(({ code }) => code)).toEqual([
      0, 0, 0, 0,
    ]);
    expect(() => serverPid(place.dataDir)).toThrow('is stopped');
    expect(readdirSync(dirname(place.dataDir)).sort()).toEqual(['postgres', 'postgres.password']);
  });

  it('serves everyone while others come and go', async () => {
    // Each round meets the others starting, joining, leaving or stopping the server.
    const user = async () => {
      for (let round = 0; round < 4; round++) {
        const server = await place.start();
        expect(await query(server.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
        await server.stop();
      }
    };

    await Promise.all([user(), user(), user()]);

    expect(() => serverPid(place.dataDir)).toThrow('is stopped');
  });

  it('waits for nobody who stands still while he leaves', async () => {
    const { url } = await place.start();
    const patienceMs = 300;
    const guest = await startEmbeddedPostgres({ dataDir: place.dataDir, durable: false, patienceMs });
    const still = new pg.Client({ connectionString: new URL('postgres', url).href });
    await still.connect();
    try {
      // As who leaves does before he counts the others.
      await still.query('SELECT pg_advisory_lock(7305811)');
      const late = startEmbeddedPostgres({ dataDir: place.dataDir, durable: false, patienceMs });
      await expect(late).rejects.toMatchObject({
        code: 'EMBEDDED_DATABASE_FAILED',
        message: expect.stringMatching(/is still ready .* after 300 ms of waiting: end the other processes/),
      });
      await guest.stop();
      expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    } finally {
      await still.end();
    }
  });
});

describe('a process that ends without stopping its embedded PostgreSQL', () => {
  it('leaves no server after process.exit()', async () => {
    const child = place.startElsewhere();
    await ready(child);

    child.process.stdin.write('exit\n');

    expect(await child.ended).toMatchObject({ code: 0 });
    await untilStopped(place.dataDir);
  });

  it('leaves a server to those who share it, after process.exit()', async () => {
    const child = place.startElsewhere();
    await ready(child);
    const { url } = await place.start();
    const { pg } = await import('../../src/postgres/driver.js');
    const connection = new pg.Client({ connectionString: url });
    await connection.connect();

    child.process.stdin.write('exit\n');
    await child.ended;

    expect((await connection.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    await connection.end();
  });

  it('leaves one that the next can use and stop, after kill -9', async () => {
    const child = place.startElsewhere();
    const { url } = await ready(child);
    await query(url, 'CREATE TABLE kept AS SELECT 42 AS answer');
    child.process.kill('SIGKILL');
    await child.ended;

    const next = await place.start();

    expect(await query(next.url, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
    await next.stop();
    expect(() => serverPid(place.dataDir)).toThrow('is stopped');
  });

  it('leaves nothing in the way when it is killed while it makes the data directory', async () => {
    const child = place.startElsewhere();
    while (!existsSync(dirname(place.dataDir)) || !readdirSync(dirname(place.dataDir)).some(isWorkshop)) {
      await new Promise(resolve => setImmediate(resolve));
    }
    child.process.kill('SIGKILL');
    await child.ended;

    const { url } = await place.start();

    expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    expect(readdirSync(dirname(place.dataDir)).filter(isWorkshop)).toEqual([]);
  });
});

const isWorkshop = (name: string) => name.includes('.new-');

function canConnect(host: string, port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect({ host, port, timeout: 500 });
    const finish = (result: boolean) => {
      socket.destroy();
      resolve(result);
    };
    socket.once('connect', () => finish(true));
    socket.once('error', () => finish(false));
    socket.once('timeout', () => finish(false));
  });
}
