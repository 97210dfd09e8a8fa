/** Which PostgreSQL this was tried on, and what is said of others. */
import { DatabaseError } from '../postgres/database-error.js';

/** Tried by the tests. */
export const OLDEST_SERVER = 14;
export const NEWEST_SERVER = 18;

/** @param number `server_version_num` @returns completes "PostgreSQL 13.4 …"; `undefined` for what was tried */
export function versionProblem(number: number): { tooOld: boolean; text: string } | undefined {
  const major = Math.floor(number / 10_000);
  if (major >= OLDEST_SERVER && major <= NEWEST_SERVER) return undefined;
  const range = `${OLDEST_SERVER} to ${NEWEST_SERVER}`;
  return major < OLDEST_SERVER
    ? { tooOld: true, text: `is older than connector-state can use: it needs ${range}` }
    : { tooOld: false, text: `is newer than what connector-state was tried on, which is ${range}` };
}

/**
 * @returns what to warn of
 * @throws DatabaseError `DATABASE_REFUSED` for a server that is too old
 */
export function checkVersion(where: string, version: string, number: number): string | undefined {
  const problem = versionProblem(number);
  if (!problem) return undefined;
  const said = `${where} is PostgreSQL ${version}, which ${problem.text}`;
  if (problem.tooOld) throw new DatabaseError('version', `${said}: upgrade the server, or use another.`);
  return said;
}
