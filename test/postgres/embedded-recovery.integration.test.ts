import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { makePlace, type Place, query, serverPid, untilStopped } from './embedded-place.js';

let place: Place;

beforeEach(() => {
  place = makePlace();
});

afterEach(() => place.clear());

/** A stopped server's data directory with a table in it. */
async function given(): Promise<{ url: string }> {
  const server = await place.start();
  await query(server.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
  await server.stop();
  return server;
}

async function expectDataKept(): Promise<void> {
  const server = await place.start();
  expect(await query(server.url, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
}

const pidFile = () => join(place.dataDir, 'postmaster.pid');

/** As a server writes it: process, directory, start time, port, socket directory, address, memory, status. */
function writePidFile(pid: number): void {
  writeFileSync(pidFile(), `${pid}\n${place.dataDir}\n1700000000\n5432\n\n127.0.0.1\n\nready   \n`);
}

describe('startEmbeddedPostgres recovers', () => {
  it('from a server that was killed, with everything that was committed', async () => {
    const server = await place.start({ durable: true });
    await query(server.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
    process.kill(serverPid(place.dataDir), 'SIGKILL');
    await untilStopped(place.dataDir);
    expect(existsSync(pidFile())).toBe(true);

    await expectDataKept();
  });

  it('from a pid file whose process is gone', async () => {
    await given();
    writePidFile(2 ** 22 + 1);

    await expectDataKept();
  });

  it('from a pid file whose number now belongs to another process of the same user', async () => {
    await given();
    writePidFile(process.pid);

    await expectDataKept();

    expect(place.logged).toContainEqual(expect.stringContaining('pid file that a killed server left'));
  });

  it('from a data directory made half, without deleting what was in it', async () => {
    mkdirSync(place.dataDir, { recursive: true });
    writeFileSync(join(place.dataDir, 'PG_VERSION'), '18\n');

    const server = await place.start();

    expect(await query(server.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    const aside = readdirSync(dirname(place.dataDir)).filter(name => name.startsWith('postgres.broken-'));
    expect(aside).toHaveLength(1);
    expect(readFileSync(join(dirname(place.dataDir), aside[0] ?? '', 'PG_VERSION'), 'utf8')).toBe('18\n');
    expect(place.logged).toContainEqual(expect.stringContaining(aside[0] ?? '?'));
  });

  it('from an empty data directory', async () => {
    mkdirSync(place.dataDir, { recursive: true });

    const server = await place.start();

    expect(await query(server.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  it('from what dead processes left beside the data directory', async () => {
    const leftover = `${place.dataDir}.new-${2 ** 22 + 1}-abcdef`;
    mkdirSync(join(leftover, 'data'), { recursive: true });
    // In a container the next run often has the number of the one that was killed.
    const ofOurNumber = `${place.dataDir}.new-${process.pid}-abcdef`;
    mkdirSync(ofOurNumber);

    await place.start();

    expect(existsSync(leftover)).toBe(false);
    expect(existsSync(ofOurNumber)).toBe(false);
  });

  it('from a lost password file', async () => {
    const { url } = await given();
    unlinkSync(`${place.dataDir}.password`);

    await expectDataKept();

    expect(place.logged).toContainEqual(expect.stringContaining('lost password'));
    await expect(query(url, 'SELECT 1')).rejects.toThrow();
  });

  it('from a password file that a full disk cut short', async () => {
    await given();
    writeFileSync(`${place.dataDir}.password`, '');

    await expectDataKept();
  });

  it('from the loss of the whole directory while the server runs', async () => {
    const server = await place.start();
    rmSync(place.dataDir, { recursive: true });

    await server.stop();

    await expect(query(server.url, 'SELECT 1')).rejects.toThrow();
    const next = await place.start();
    expect(await query(next.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });
});

describe('startEmbeddedPostgres refuses', () => {
  const refusal = () =>
    place.start().then(
      () => ({ message: 'started' }),
      (error: { code: string; message: string }) => error,
    );

  it('the data of another major version, and leaves it alone', async () => {
    await given();
    writeFileSync(join(place.dataDir, 'PG_VERSION'), '15\n');

    expect(await refusal()).toMatchObject({
      code: 'EMBEDDED_DATABASE_FAILED',
      message: expect.stringMatching(/data of PostgreSQL 15.*installed server is PostgreSQL 18.*pg_dump/),
    });

    writeFileSync(join(place.dataDir, 'PG_VERSION'), '18\n');
    await expectDataKept();
  });

  it('damaged settings, quoting what the server said, and leaves nothing running', async () => {
    await given();
    writeFileSync(join(place.dataDir, 'postgresql.auto.conf'), 'work_mem = plenty\n');

    expect(await refusal()).toMatchObject({
      code: 'EMBEDDED_DATABASE_FAILED',
      message: expect.stringMatching(/does not start.*work_mem.*server\.log.*DATABASE_URL/),
    });
    expect(() => serverPid(place.dataDir)).toThrow('is stopped');
  });

  it('a place that is a file', async () => {
    writeFileSync(dirname(place.dataDir), 'in the way');

    expect(await refusal()).toMatchObject({
      code: 'EMBEDDED_DATABASE_FAILED',
      message: expect.stringMatching(/is a file, not a directory.*move that file away/),
    });
  });
});
