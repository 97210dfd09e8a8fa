/**
 * Everything that is settled before the first look at the data: the programs, the server's user, the
 * directories on the way, and that all of them work together on this system.
 */
import { realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { assertSafePath, type Binaries, locateBinaries, probeBinaries } from './binaries.js';
import type { Identity } from './command.js';
import { fileProblem } from './embedded-error.js';
import { assertEnterable, chooseServerUser, giveTo, makeDirectory } from './server-user.js';

export interface Site {
  /** Absolute, without symbolic links. May not exist yet. */
  readonly dataDir: string;
  readonly binaries: Binaries;
  /** Whom the server runs as; undefined: as this process. */
  readonly user: Identity | undefined;
  /** false: never wait for the disk (tests). */
  readonly durable: boolean;
}

export interface PreparedSite {
  readonly site: Site;
  /** The programs' major version. */
  readonly major: number;
  /** Beside the data directory. */
  readonly passwordFile: string;
}

export async function prepareSite(requestedDir: string, durable: boolean): Promise<PreparedSite> {
  const binaries = await locateBinaries();
  const dataDir = settleDirectory(resolve(requestedDir));
  assertSafePath(dataDir);
  const user = chooseServerUser(dataDir);
  if (user !== undefined && statSync(dataDir, { throwIfNoEntry: false })?.uid === 0) {
    // Copied or restored by root, who cannot run the server.
    giveTo(user, dataDir);
  }
  await assertEnterable([realpathSync(dirname(binaries.postgres)), dirname(dataDir)], user);
  const major = await probeBinaries(binaries, user);
  return { site: { dataDir, binaries, user, durable }, major, passwordFile: `${dataDir}.password` };
}

function settleDirectory(path: string): string {
  try {
    if (statSync(path, { throwIfNoEntry: false })) return realpathSync(path);
    makeDirectory(dirname(path));
    return join(realpathSync(dirname(path)), basename(path));
  } catch (error) {
    throw fileProblem(error, path);
  }
}
