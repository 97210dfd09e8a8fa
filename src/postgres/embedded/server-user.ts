/**
 * Whom the server runs as.
 *
 * PostgreSQL refuses root. So as root we run it as whoever owns the data directory; for a new one that is
 * the system's user `postgres`, else `nobody` (initdb wants a user that the system knows, and we create
 * none). As anyone else we run it as ourselves, and the data must be ours. Ownership of the data directory
 * is thus what remembers the choice between runs.
 */
import { chmodSync, chownSync, lchownSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, sep } from 'node:path';
import { type Identity, run } from './command.js';
import { embeddedError, fileProblem } from './embedded-error.js';

const PREFERRED_USERS = ['postgres', 'nobody'];

/**
 * @returns the user to become, or undefined to stay who we are
 * @throws EMBEDDED_DATABASE_FAILED when the data directory belongs to somebody whom we cannot become
 */
export function chooseServerUser(dataDir: string): Identity | undefined {
  const us = process.getuid?.() ?? 0;
  const owner = statSync(dataDir, { throwIfNoEntry: false });
  if (us !== 0) {
    if (owner === undefined || owner.uid === us) return undefined;
    throw embeddedError(
      `${dataDir} belongs to ${userName(owner.uid)}, and this process runs as ${userName(us)}`,
      'run as that user or as root, remove the directory if its data may go',
    );
  }
  if (owner !== undefined && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  for (const name of PREFERRED_USERS) {
    const found = readUsers().find(user => user.name === name);
    if (found) return { uid: found.uid, gid: found.gid };
  }
  throw embeddedError(
    `PostgreSQL does not run as root, and this system has neither of the users ${PREFERRED_USERS.join(', ')}`,
    'create one of them, run as a user who is not root',
  );
}

/** Hands a file, or a directory with all that is in it, to the server's user. */
export function giveTo(user: Identity | undefined, path: string): void {
  if (user === undefined) return;
  if (statSync(path).isDirectory()) {
    for (const entry of readdirSync(path, { recursive: true, encoding: 'utf8' })) {
      lchownSync(join(path, entry), user.uid, user.gid);
    }
  }
  chownSync(path, user.uid, user.gid);
}

/**
 * Makes a directory and its missing parents. When the server runs as another user these must be open to it,
 * even under a strict umask.
 */
export function makeDirectory(path: string): void {
  try {
    const first = mkdirSync(path, { recursive: true });
    if (first === undefined || process.getuid?.() !== 0) return;
    for (let made = path; made.length >= first.length; made = dirname(made)) {
      chmodSync(made, (statSync(made).mode & 0o777) | 0o011);
    }
  } catch (error) {
    throw fileProblem(error, path);
  }
}

/**
 * Fails when the server's user cannot enter a directory on the way to what it needs: typical for root in a
 * home directory. The question is put to the system itself (`test -x` as that user), for mode bits alone
 * know nothing of access control lists.
 *
 * @param directories absolute, without symbolic links
 */
export async function assertEnterable(
  directories: readonly string[],
  user: Identity | undefined,
): Promise<void> {
  if (user === undefined) return;
  const all = [...new Set(directories.flatMap(ancestors))];
  const script = 'for d in "$@"; do test -x "$d" || { printf %s "$d"; exit 3; }; done';
  const { code, output } = await run('/bin/sh', ['-c', script, 'sh', ...all], { as: user });
  if (code !== 3) return;
  throw embeddedError(
    `running as root, the server runs as ${userName(user.uid)}, who cannot enter ${output}`,
    `run as a user who is not root, move the project to a directory that all users can enter (for example ` +
      `under /srv), open this one with "chmod o+x ${output}"`,
  );
}

function ancestors(directory: string): string[] {
  const parts = directory.split(sep).filter(Boolean);
  return ['/', ...parts.map((_, index) => `/${parts.slice(0, index + 1).join('/')}`)];
}

interface SystemUser extends Identity {
  readonly name: string;
}

function readUsers(): SystemUser[] {
  return readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map(line => line.split(':'))
    .filter(fields => fields.length >= 4)
    .map(([name = '', , uid, gid]) => ({ name, uid: Number(uid), gid: Number(gid) }));
}

function userName(uid: number): string {
  const name = readUsers().find(user => user.uid === uid)?.name;
  return name === undefined ? `user ${uid}` : `user ${name} (${uid})`;
}
