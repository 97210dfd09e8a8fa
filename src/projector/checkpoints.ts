/**
 * How far each projection has come. The checkpoint is a row beside the read tables and moves in the same
 * transaction as they do, which is what makes an event count exactly once however often it is delivered.
 *
 * It moves by compare-and-set, in two statements: the rows are locked in the order of their names (so that two
 * transactions cannot wait for each other in a circle) and compared with what the page was read after, and
 * are set at the end of the transaction. Who finds them moved starts again from where they are.
 */
import type { Projection } from '../../projections/index.js';
import { ConnectorStateError } from '../base/errors.js';
import type { Position } from '../events/event.js';
import { HOLDS_LOCK, type Role } from './lock.js';
import { decodeMark, encodeMark, type LogMark } from './log-mark.js';
import { OutdatedTables } from './outdated-tables.js';
import { atomically, type Cells, type Session } from './session.js';

export interface Checkpoint {
  readonly position: Position | undefined;
  /** Of the projection that made the rows. */
  readonly version: number;
  /** Read past, of any type, since the first. */
  readonly events: number;
  /** Of the log that the rows were made from; `undefined` before the first event, and in a row of an older release. */
  readonly mark: LogMark | undefined;
  /** Another after each write of it, also one that leaves it where it was: the rows may not be what they were. */
  readonly token: string | undefined;
}

/** By projection. */
export type Checkpoints = ReadonlyMap<string, Checkpoint>;
export type Positions = ReadonlyMap<string, Position | undefined>;

export const positionsOf = (checkpoints: Checkpoints): Positions =>
  new Map([...checkpoints].map(([name, { position }]) => [name, position]));

export const isSamePositions = (a: Positions, b: Positions): boolean =>
  a.size === b.size && [...a].every(([name, position]) => b.has(name) && b.get(name) === position);

const select = (
  condition: string,
) => `SELECT projection, position, version, events, log_mark, xmin FROM projection_checkpoint
  WHERE projection = ANY($1::text[])${condition} ORDER BY projection`;
const SELECT = select('');
const LOCK_AS_LEADER = `${SELECT} FOR UPDATE`;
const LOCK_AS_GUEST = `${select(` AND ${HOLDS_LOCK}`)} FOR UPDATE NOWAIT`;

const decode = (rows: readonly Cells[]): Checkpoints =>
  new Map(
    rows.map(([name, position, version, events, mark, token]) => [
      name as string,
      {
        position: (position ?? undefined) as Position | undefined,
        version: Number(version),
        events: Number(events),
        mark: decodeMark(mark),
        token: token as string,
      },
    ]),
  );

/** Writes nothing. A projection that has no checkpoint yet is one that has applied nothing. */
export async function readCheckpoints(
  session: Pick<Session, 'query'>,
  projections: readonly Projection[],
): Promise<Checkpoints> {
  const names = projections.map(({ name }) => name);
  const found = decode(await session.query(SELECT, [names], 'cs_checkpoints'));
  return new Map(
    projections.map(({ name, version }) => [
      name,
      found.get(name) ?? { position: undefined, version, events: 0, mark: undefined, token: undefined },
    ]),
  );
}

/** For who is going to move them: a projection that has none yet gets one before the first event. */
export async function ensureCheckpoints(
  session: Session,
  projections: readonly Projection[],
): Promise<Checkpoints> {
  const names = projections.map(({ name }) => name);
  const found = decode(await session.query(SELECT, [names], 'cs_checkpoints'));
  if (found.size === projections.length) return found;
  await atomically(session, () =>
    session.query(
      `INSERT INTO projection_checkpoint (projection, position, version, events, updated_at)
        SELECT u.projection, NULL, u.version, 0, clock_timestamp()
        FROM unnest($1::text[], $2::integer[]) AS u (projection, version) ORDER BY u.projection
        ON CONFLICT (projection) DO NOTHING`,
      [names, projections.map(({ version }) => version)],
    ),
  );
  return decode(await session.query(SELECT, [names], 'cs_checkpoints'));
}

/**
 * Until the end of the transaction nobody else moves them. `leader` waits for who has them; `guest` fails with 55P03
 * instead, and finds none when the transaction did not get the projector's lock.
 */
export async function lockCheckpoints(
  session: Pick<Session, 'query'>,
  projections: readonly Projection[],
  role: Role,
): Promise<Checkpoints> {
  return decode(
    await session.query(
      role === 'leader' ? LOCK_AS_LEADER : LOCK_AS_GUEST,
      [projections.map(({ name }) => name)],
      `cs_checkpoints_lock_${role}`,
    ),
  );
}

/** A position starts with the name of the store that gave it. */
export const storeOf = (position: Position | undefined): string | undefined => position?.split('/', 1)[0];

export interface Move {
  readonly projection: string;
  readonly position: Position | undefined;
  /** Read past since the last move. */
  readonly events: number;
}

export type Marks = ReadonlyMap<string, LogMark | undefined>;
/** By projection; see {@link Checkpoint.token}. */
export type Tokens = ReadonlyMap<string, string | undefined>;

export const tokensOf = (checkpoints: Checkpoints): Tokens =>
  new Map([...checkpoints].map(([name, { token }]) => [name, token]));

/** All of those that were, where they were and as they were. */
export const isUntouched = (checkpoints: Checkpoints, tokens: Tokens): boolean =>
  checkpoints.size === tokens.size &&
  [...checkpoints].every(([name, { token }]) => token !== undefined && tokens.get(name) === token);

export async function moveCheckpoints(
  session: Pick<Session, 'query'>,
  moves: readonly Move[],
  marks: Marks,
): Promise<Tokens> {
  const moved = await session.query(
    `UPDATE projection_checkpoint c
      SET position = u.position, events = c.events + u.events, log_mark = u.mark, updated_at = clock_timestamp()
      FROM unnest($1::text[], $2::text[], $3::bigint[], $4::jsonb[]) AS u (projection, position, events, mark)
      WHERE c.projection = u.projection RETURNING c.projection, c.xmin`,
    [
      moves.map(move => move.projection),
      moves.map(move => move.position ?? null),
      moves.map(move => move.events),
      moves.map(move => encodeMark(marks.get(move.projection))),
    ],
    'cs_checkpoints_move',
  );
  return new Map(moved.map(([projection, token]) => [projection as string, token as string]));
}

/** For checkpoints of an older release, where nobody has moved them since. */
export async function writeMarks(session: Session, checkpoints: Checkpoints, marks: Marks): Promise<void> {
  const names = [...marks.keys()];
  await session.query(
    `UPDATE projection_checkpoint c SET log_mark = u.mark
      FROM unnest($1::text[], $2::text[], $3::jsonb[]) AS u (projection, position, mark)
      WHERE c.projection = u.projection AND c.position = u.position`,
    [
      names,
      names.map(name => checkpoints.get(name)?.position ?? null),
      names.map(name => encodeMark(marks.get(name))),
    ],
  );
}

/**
 * @param storeName the configured event store's
 * @throws ConnectorStateError `PROJECTION_FAILED` when rows were made by another version of the projection, or from
 *   the log of another event store, whose positions mean nothing in this one
 */
export function checkOrigin(
  projections: readonly Projection[],
  checkpoints: Checkpoints,
  storeName: string,
): void {
  for (const { name } of projections) {
    const store = storeOf(checkpoints.get(name)?.position);
    if (store === undefined || store === storeName) continue;
    throw new ConnectorStateError(
      'PROJECTION_FAILED',
      `table ${name} was made from the events of the event store "${store}", and EVENT_STORE_URL names one of kind "${storeName}": run \`connector-state rebuild\` to make it from these, or set EVENT_STORE_URL back`,
    );
  }
  for (const { name, version } of projections) {
    const made = checkpoints.get(name)?.version;
    if (made === undefined || made === version) continue;
    if (made < version) {
      throw new OutdatedTables(
        `table ${name} was made by version ${made} of its projection, this is version ${version}: run \`connector-state rebuild\``,
      );
    }
    throw new ConnectorStateError(
      'PROJECTION_FAILED',
      `table ${name} was made by version ${made} of its projection, this is the older version ${version}: upgrade connector-state`,
    );
  }
}
