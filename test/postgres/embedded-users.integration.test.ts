import { chmodSync, chownSync, cpSync, mkdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect } from '@jest/globals';
import { startEmbeddedPostgres } from '../../src/postgres/embedded/index.js';
import { itWhen } from '../support/it-when.js';
import {
  canBecomeNobody,
  isRoot,
  makePlace,
  NOBODY,
  type Place,
  query,
  ready,
  serverPid,
} from './embedded-place.js';

let place: Place;

beforeEach(() => {
  place = makePlace();
});

afterEach(() => place.clear());

const asRoot = itWhen(isRoot, 'needs root');
const asRootAndNobody = itWhen(canBecomeNobody, 'needs root, and a node that the user nobody may run');

const NOBODY_ELSE = { uid: NOBODY, gid: NOBODY };

function ownerOf(pid: number): number {
  return statSync(`/proc/${pid}`).uid;
}

describe('as root', () => {
  asRoot('the server runs as another user, who owns the data', async () => {
    await place.start();

    const owner = statSync(place.dataDir).uid;
    expect(owner).not.toBe(0);
    expect(ownerOf(serverPid(place.dataDir))).toBe(owner);
    expect(statSync(`${place.dataDir}.password`)).toMatchObject({ uid: owner });
  });

  asRoot('the server gets in even where new directories are closed to others', async () => {
    const umask = process.umask(0o077);
    try {
      const server = await place.start();
      expect(await query(server.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    } finally {
      process.umask(umask);
    }
  });

  asRoot('data that root copied is handed back to the server', async () => {
    const first = await place.start();
    await query(first.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
    await first.stop();
    const copy = join(place.directory, 'copy', 'postgres');
    cpSync(dirname(place.dataDir), dirname(copy), { recursive: true });
    chownSync(copy, 0, 0);

    const server = await startEmbeddedPostgres({ dataDir: copy, durable: false });

    try {
      expect(await query(server.url, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
    } finally {
      await server.stop();
    }
  });

  asRoot('a directory that the server cannot enter is named, with what to do', async () => {
    const closed = join(place.directory, 'closed');
    mkdirSync(join(closed, 'project'), { recursive: true });
    chmodSync(closed, 0o700);

    const start = startEmbeddedPostgres({ dataDir: join(closed, 'project', '.data', 'postgres') });

    await expect(start).rejects.toMatchObject({
      code: 'EMBEDDED_DATABASE_FAILED',
      message: expect.stringMatching(
        new RegExp(`cannot enter ${closed}: .*user who is not root.*chmod o\\+x ${closed}".*DATABASE_URL`),
      ),
    });
  });

  asRootAndNobody('and as the owner of the data, by turns, both work', async () => {
    mkdirSync(dirname(place.dataDir));
    chownSync(dirname(place.dataDir), NOBODY, NOBODY);
    const other = place.startElsewhere(NOBODY_ELSE);
    const { url } = await ready(other);
    await query(url, 'CREATE TABLE kept AS SELECT 42 AS answer');
    other.process.stdin.write('stop\n');
    await other.ended;

    const server = await place.start();

    expect(await query(server.url, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
    expect(ownerOf(serverPid(place.dataDir))).toBe(NOBODY);
    const guest = place.startElsewhere(NOBODY_ELSE);
    expect(await ready(guest)).toMatchObject({ owned: false });
    await server.stop();
    guest.process.stdin.write('stop\n');
    expect(await guest.ended).toMatchObject({ code: 0 });
    expect(() => serverPid(place.dataDir)).toThrow('is stopped');
  });
});

describe('as a user who is not root', () => {
  const said = async (child: ReturnType<Place['startElsewhere']>) => {
    const { code, stdout } = await child.ended;
    return { code, stdout };
  };

  asRootAndNobody('the server runs as that user', async () => {
    mkdirSync(dirname(place.dataDir));
    chownSync(dirname(place.dataDir), NOBODY, NOBODY);

    const child = place.startElsewhere(NOBODY_ELSE);

    expect(await ready(child)).toMatchObject({ owned: true });
    expect(ownerOf(serverPid(place.dataDir))).toBe(NOBODY);
    child.process.stdin.write('stop\n');
    expect(await child.ended).toMatchObject({ code: 0 });
  });

  asRootAndNobody('the data of another user is refused, with what to do', async () => {
    const server = await place.start();
    await server.stop();
    chownSync(place.dataDir, 12_345, 12_345);

    expect(await said(place.startElsewhere(NOBODY_ELSE))).toEqual({
      code: 1,
      stdout: expect.stringMatching(
        /EMBEDDED_DATABASE_FAILED.*belongs to user 12345.*runs as user nobody \(65534\): run as that user or as root/,
      ),
    });
  });

  asRootAndNobody('a place that it may not write is refused, with what to do', async () => {
    expect(await said(place.startElsewhere(NOBODY_ELSE))).toEqual({
      code: 1,
      stdout: expect.stringMatching(
        /EMBEDDED_DATABASE_FAILED.*may not write there \(EACCES\): run from a directory that this user can write/,
      ),
    });
  });

  asRootAndNobody('one that the system does not know is told so', async () => {
    const stranger = 12_345;
    mkdirSync(dirname(place.dataDir));
    chownSync(dirname(place.dataDir), stranger, stranger);

    expect(await said(place.startElsewhere({ uid: stranger, gid: stranger }))).toEqual({
      code: 1,
      stdout: expect.stringMatching(/EMBEDDED_DATABASE_FAILED.*no entry in \/etc\/passwd/),
    });
  });
});
