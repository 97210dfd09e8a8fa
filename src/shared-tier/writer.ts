/**
 * Writing to Redis what PostgreSQL says, so that a late write never replaces a newer one (scripts.ts).
 *
 *  - {@link fill}: who missed and asked PostgreSQL puts the answer where it missed, with the ticket it got there.
 *  - {@link publish}: who has just projected facts, reads the rows they changed and writes them whatever is there, if it is
 *    not newer; every process hears of it.
 *
 * Whoever writes has just read the database's clock and this server's, so the link between them goes along.
 *
 * A write says by the server's own clock when PostgreSQL was asked, and by when it must have arrived: one that was under way
 * for longer is void, and so is one that asked before the row was rebuilt.
 */
import { isContinuous } from '../clock/continuous.js';
import { linkFromSample, type ReferenceLink, referenceTimeMs } from '../clock/reference.js';
import { LINK_LIFE_MS, linkToStore } from '../clock/stored-link.js';
import type { LookupKey, LookupReply, LookupRow, RawClock, RawState } from '../read-model/lookup.js';
import { clockNameOf, connectorNameOf } from './keys.js';
import { packClock, packLink, packState } from './packed.js';
import { type CellReply, type Found, type ReaderParts, readCell } from './reader.js';
import { WRITE } from './scripts.js';
import { WriteRefused } from './trouble.js';

export interface WriterParts extends ReaderParts {
  /** A value is asked for again in PostgreSQL after this, whatever it holds. */
  readonly lifeMs: number;
}

/** What PostgreSQL answered, about one connector. */
export interface DatabaseAnswer extends LookupRow, Pick<LookupReply, 'clockId' | 'sample'> {}

interface Entry {
  readonly key: string;
  readonly guard: string;
  readonly lifeMs: number;
  readonly value: Buffer;
  readonly message: string;
}

/** So long a write may be under way, from the question to PostgreSQL on. */
const WRITE_DEADLINE_MS = 10_000;
/** Whoever asked before a row was rebuilt is void by then, also if the server's clock is slewed meanwhile. */
export const FORGOTTEN_FOR_MS = 2 * WRITE_DEADLINE_MS;

/** This host's clock was set or stood while Redis answered: nothing was written, and nobody is at fault. */
export class Interrupted extends Error {}

/** Reading from a replica shows what was; only who asked the primary may fill in. */
const isOfPrimary = (clockId: string): boolean => !clockId.includes(':standby-');

/** @throws what the client throws; WriteRefused */
export async function fill(
  parts: WriterParts,
  key: LookupKey,
  found: Found,
  answer: DatabaseAnswer,
): Promise<void> {
  if (!isOfPrimary(answer.clockId)) return;
  const { state, clock } = found.places();
  const link = linkFromSample(answer.clockId, answer.sample);
  const cells = new Map<CellReply, Entry[]>();
  const put = (cell: CellReply, entry: Entry | undefined) => {
    if (cell.runId === '') return;
    const entries = cells.get(cell) ?? [];
    if (entry) entries.push(entry);
    cells.set(cell, entries);
  };
  put(
    state.cell,
    state.guard === undefined ? undefined : stateEntry(parts, key, answer, link, state, state.guard),
  );
  put(
    clock.cell,
    clock.guard === undefined ? undefined : clockEntry(parts, key, answer, link, clock, clock.guard),
  );
  await all([...cells].map(([cell, entries]) => write(parts, cell, link, answer.sample.sentAtMs, entries)));
}

/**
 * @param answers in the order of the keys
 * @throws what the client throws; WriteRefused; Interrupted. What could be written is written
 */
export async function publish(
  parts: WriterParts,
  wanted: readonly LookupKey[],
  answers: readonly DatabaseAnswer[],
): Promise<void> {
  const { keys } = parts;
  const byCell = new Map<string, ((cell: CellReply) => Entry | undefined)[]>();
  const later = (cell: string, make: (cell: CellReply) => Entry | undefined) => {
    const known = byCell.get(cell);
    if (known) known.push(make);
    else byCell.set(cell, [make]);
  };
  let link: ReferenceLink | undefined;
  let askedAtMs = Number.POSITIVE_INFINITY;
  const clocks = new Set<string>();
  for (const [i, key] of wanted.entries()) {
    const answer = answers[i];
    if (!answer || !isOfPrimary(answer.clockId)) continue;
    const itsLink = linkFromSample(answer.clockId, answer.sample);
    link = itsLink;
    askedAtMs = Math.min(askedAtMs, answer.sample.sentAtMs);
    const cell = keys.cellOfState(key.cacheKey);
    const state = keys.state(cell, key.cacheKey);
    later(cell, reply => stateEntry(parts, key, answer, itsLink, { cell: reply, key: state }, 'a'));
    const name = clockNameOf(key);
    if (clocks.has(name)) continue;
    clocks.add(name);
    const clockCell = keys.cellOfClock(key);
    const clock = keys.clock(clockCell, key);
    later(clockCell, reply => clockEntry(parts, key, answer, itsLink, { cell: reply, key: clock }, 'a'));
  }
  const known = link;
  if (!known) return;
  await all(
    [...byCell].map(async ([cell, make]) => {
      const reply = await readCell(parts, cell, [parts.keys.link(cell)], false);
      if (!reply) throw new Interrupted();
      const entries = make.map(entry => entry(reply)).filter(entry => entry !== undefined);
      await write(parts, reply, known, askedAtMs, entries);
    }),
  );
}

/** Waits for each, also where one has failed: a cell on another server is to be written none the less. */
async function all(writes: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(writes)).find(({ status }) => status === 'rejected');
  if (failed) throw (failed as PromiseRejectedResult).reason;
}

/**
 * Brings the link up to date where entries need none.
 * @param askedAtMs when PostgreSQL was asked, by this process's clock
 * @throws what the client throws; WriteRefused
 */
async function write(
  parts: WriterParts,
  cell: CellReply,
  database: ReferenceLink,
  askedAtMs: number,
  entries: readonly Entry[],
): Promise<void> {
  const { connections, keys, now, wall } = parts;
  // Redis' clock and the database's were read on one timeline, or they say nothing of each other.
  if (!isContinuous(now() - cell.redis.atMs, wall() - cell.wallMs)) return;
  const link = linkToStore(database, cell.redis, wall() - now());
  const { offsetMs, uncertaintyMs } = cell.redis;
  // By the server's clock, rather too early: what was rebuilt in the same millisecond is rebuilt.
  const askedThereMs = Math.floor(askedAtMs + offsetMs - uncertaintyMs);
  const verdicts = await connections.run(
    WRITE,
    [keys.link(cell.cell), ...entries.map(({ key }) => key)],
    [
      cell.runId,
      String(askedThereMs + WRITE_DEADLINE_MS),
      packLink(link, cell.runId),
      String(LINK_LIFE_MS),
      keys.channel,
      String(askedThereMs),
      ...entries.flatMap(({ guard, lifeMs, value, message }) => [guard, String(lifeMs), value, message]),
    ],
  );
  const why = Array.isArray(verdicts) ? verdicts[entries.length] : undefined;
  if (why !== undefined) throw new WriteRefused(String(why));
}

type At = { readonly cell: CellReply; readonly key: string };

function stateEntry(
  parts: WriterParts,
  key: LookupKey,
  answer: DatabaseAnswer,
  link: ReferenceLink,
  at: At,
  guard: string,
): Entry | undefined {
  const { state: row, clock, order } = answer;
  const version = order?.streamVersion;
  if (!row || typeof version !== 'number') return undefined;
  const value = packState(key, row, version, at.cell.runId);
  if (!value) return undefined;
  const lifeMs = row.isValid === true ? lifeOf(parts, row, clock, link) : parts.lifeMs;
  if (lifeMs < 1) return undefined;
  const message = goneMessage(key, String(row.syncId), Number(row.measuredAtMs), row.isValid === true);
  return { key: at.key, guard, lifeMs, value, message };
}

/** Who keeps a state of this connector that rests on something else, or on what is no longer valid, lets it go. */
export const goneMessage = (key: LookupKey, syncId: string, measuredAtMs: number, isValid: boolean): string =>
  JSON.stringify({ k: connectorNameOf(key), s: syncId, at: measuredAtMs, ok: isValid });

/** A state lives as long as the shared clock that it agrees with. */
function lifeOf(
  { lifeMs, now }: WriterParts,
  row: RawState,
  clock: RawClock | undefined,
  link: ReferenceLink,
): number {
  const ends = [row.expiresAtMs, clock?.expiresAtMs].filter(ms => typeof ms === 'number');
  return Math.floor(Math.min(lifeMs, Math.max(0, ...ends) - referenceTimeMs(link, now())));
}

function clockEntry(
  parts: WriterParts,
  key: LookupKey,
  { clock: row, order, clockId }: DatabaseAnswer,
  _link: ReferenceLink,
  at: At,
  guard: string,
): Entry | undefined {
  const position = positionNumber(order?.clockPosition);
  if (!row || position === undefined) return undefined;
  const value = packClock(clockId, row, position, at.cell.runId);
  if (!value) return undefined;
  return {
    key: at.key,
    guard,
    lifeMs: parts.lifeMs,
    value,
    message: JSON.stringify({ c: clockNameOf(key) }),
  };
}

/** Every event store's positions grow by their first number. */
function positionNumber(position: unknown): number | undefined {
  const digits = typeof position === 'string' ? /^[a-z]+\/(\d{1,15})(?:\/|$)/.exec(position)?.[1] : undefined;
  return digits === undefined ? undefined : Number(digits);
}
