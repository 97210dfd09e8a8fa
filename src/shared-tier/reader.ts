/**
 * A lookup in Redis: any number of connectors, one round trip.
 *
 * The keys are put together by cell, one script call each, all sent at once. Each answer brings the time of the server
 * that gave it, its run id and its link, so that every value is placed by the clock of the very server that had it: also
 * behind a proxy, after a redirection, or when the master is another one than a moment ago.
 *
 * A value is used only if everything about it is in order. Whatever is not is a miss with a reason, and PostgreSQL is
 * asked; what it says may then be put in the place ({@link Found.places}, writer.ts).
 */
import { createHash, randomBytes } from 'node:crypto';
import { isContinuous } from '../clock/continuous.js';
import { type ClockSample, estimateFromSample, intersect, type OffsetEstimate } from '../clock/offset.js';
import type { ReferenceLink } from '../clock/reference.js';
import { composeLink, LINK_RENEWED_AFTER_MS, type StoredLink } from '../clock/stored-link.js';
import type { ConnectorRef } from '../events/connector.js';
import type { LookupKey, RawClock, RawState } from '../read-model/lookup.js';
import type { RedisConnections } from './connections.js';
import type { Keys } from './keys.js';
import { type Unusable, unpackClock, unpackLink, unpackState } from './packed.js';
import { READ } from './scripts.js';

/** Why Redis had no answer. */
export type SharedMiss =
  | Unusable
  | 'absent'
  | 'no-clock'
  /** Nobody has measured this server's clock against the database's, or not lately. */
  | 'no-link'
  | 'set-clock'
  | 'interrupted';

export interface SharedKey extends LookupKey {
  readonly ref: ConnectorRef;
}

export interface SharedAnswer {
  readonly state: RawState;
  readonly clock: RawClock;
  readonly link: ReferenceLink;
  /** So long it may be used without asking again, by Redis' clock. */
  readonly usableForMs: number;
}

/** Where an answer of PostgreSQL may be put. */
export interface Place {
  readonly cell: CellReply;
  readonly key: string;
  /** See scripts.ts; `undefined`: somebody else has the ticket. */
  readonly guard: string | undefined;
}

export interface Found {
  readonly answer?: SharedAnswer;
  readonly reason?: SharedMiss;
  readonly places: { readonly state: Place; readonly clock: Place };
  /** The link is getting old: somebody should measure it anew. */
  readonly isLinkOld: boolean;
}

export interface CellReply {
  readonly cell: string;
  readonly runId: string;
  /** Redis − here. */
  readonly redis: OffsetEstimate;
  readonly redisNowMs: number;
  readonly wallMs: number;
  readonly link: StoredLink | Unusable | 'no-link';
  /** A value; whether a ticket was given where there is none. */
  readonly values: ReadonlyMap<string, Buffer | boolean>;
  readonly ticket: string;
}

export interface ReaderParts {
  readonly connections: Pick<RedisConnections, 'run'>;
  readonly keys: Keys;
  readonly now: () => number;
  readonly wall: () => number;
  /** The database's clock as this process knows it from asking it. */
  readonly known: () => ReferenceLink | undefined;
}

/** A slow database is waited for at most this long; who comes later finds the ticket gone and fills in nothing. */
const TICKET_LIFE_MS = 10_000;

/** @throws what the client throws */
export async function find(parts: ReaderParts, wanted: readonly SharedKey[]): Promise<Found[]> {
  const { keys } = parts;
  const cells = new Map<string, Set<string>>();
  const want = (cell: string, key: string) => {
    const known = cells.get(cell);
    if (known) known.add(key);
    else cells.set(cell, new Set([key]));
    return { cell, key };
  };
  const asked = wanted.map(key => {
    const cell = keys.cellOfState(key.cacheKey);
    const clockCell = keys.cellOfClock(key);
    return {
      key,
      state: want(cell, keys.state(cell, key.cacheKey)),
      clock: want(clockCell, keys.clock(clockCell, key)),
    };
  });
  const replies = new Map<string, CellReply | undefined>();
  await Promise.all(
    [...cells].map(async ([cell, entries]) => replies.set(cell, await readCell(parts, cell, [...entries]))),
  );
  return asked.map(({ key, state, clock }) => {
    const [mine, its] = [replies.get(state.cell), replies.get(clock.cell)];
    // Timed by a clock that stood or was set meanwhile, Redis' time would be placed wrongly on ours.
    if (!mine || !its) return { reason: 'interrupted', places: NOWHERE, isLinkOld: false };
    const places = { state: placeIn(mine, state.key), clock: placeIn(its, clock.key) };
    const isLinkOld = isOld(mine) || isOld(its);
    const answer = judge(parts, key, mine, mine.values.get(state.key), its, its.values.get(clock.key));
    return typeof answer === 'string' ? { reason: answer, places, isLinkOld } : { answer, places, isLinkOld };
  });
}

/** @param entries may be empty: then it is the server's clock and link that are asked for */
export async function readCell(
  parts: ReaderParts,
  cell: string,
  entries: readonly string[],
  withTicket = true,
): Promise<CellReply | undefined> {
  const { connections, keys, now, wall } = parts;
  const ticket = withTicket ? randomBytes(9).toString('base64url') : '';
  const [sentAtMs, wallBeforeMs] = [now(), wall()];
  const reply = await connections.run(READ, [keys.link(cell), ...entries], [ticket, String(TICKET_LIFE_MS)]);
  const [receivedAtMs, wallMs] = [now(), wall()];
  if (!isContinuous(receivedAtMs - sentAtMs, wallMs - wallBeforeMs)) return undefined;
  if (!Array.isArray(reply)) throw new Error('the script that reads answered something else');
  const [seconds, micros, id, link, ...values] = reply as [unknown, unknown, unknown, unknown, ...unknown[]];
  const runId = String(id);
  const serverTimeMs = Number(String(seconds)) * 1_000 + Number(String(micros)) / 1_000;
  if (!Number.isFinite(serverTimeMs) || runId === '') throw new Error('Redis told neither time nor run id');
  const sample: ClockSample = { sentAtMs, receivedAtMs, serverTimeMs };
  const redis = estimateFromSample(sample);
  return {
    cell,
    runId,
    redis,
    redisNowMs: redis.atMs + redis.offsetMs,
    wallMs,
    link: Buffer.isBuffer(link) && link.length > 0 ? unpackLink(link, runId) : 'no-link',
    values: new Map(entries.map((key, i) => [key, Buffer.isBuffer(values[i]) ? values[i] : values[i] === 1])),
    ticket,
  };
}

type Value = Buffer | boolean | undefined;

function judge(
  parts: ReaderParts,
  key: SharedKey,
  mine: CellReply,
  state: Value,
  its: CellReply,
  clock: Value,
): SharedAnswer | SharedMiss {
  const link = linkOver(parts, mine);
  if (typeof link === 'string') return link;
  const other = its === mine ? link : linkOver(parts, its);
  if (typeof other === 'string') return other;
  if (other.clockId !== link.clockId) return 'other-clock';
  // Two servers' clocks, each linked by itself to one database: if they exclude each other one of them was set.
  if (!intersect(link, other)) return 'set-clock';
  if (!Buffer.isBuffer(state)) return 'absent';
  if (!Buffer.isBuffer(clock)) return 'no-clock';
  const row = unpackState(state, key.ref, link.clockId, mine.runId, mine.redisNowMs);
  if (typeof row === 'string') return row;
  const shared = unpackClock(clock, link.clockId, its.runId, its.redisNowMs);
  if (typeof shared === 'string') return shared;
  return {
    state: row.raw,
    clock: shared.raw,
    link: other.uncertaintyMs < link.uncertaintyMs ? other : link,
    usableForMs: Math.min(row.endsAtMs - mine.redisNowMs, shared.endsAtMs - its.redisNowMs),
  };
}

function linkOver({ known }: ReaderParts, { link, redis, wallMs }: CellReply): ReferenceLink | SharedMiss {
  if (typeof link === 'string') return link;
  const composed = composeLink(link, { server: redis, wallMs, known: known() });
  return composed === 'too-old' ? 'no-link' : composed;
}

const isOld = ({ link, redisNowMs }: CellReply): boolean =>
  typeof link === 'string' || redisNowMs - link.atMs > LINK_RENEWED_AFTER_MS;

function placeIn(cell: CellReply, key: string): Place {
  const value = cell.values.get(key);
  if (Buffer.isBuffer(value)) {
    return { cell, key, guard: `s${createHash('sha1').update(value).digest('hex')}` };
  }
  return { cell, key, guard: value ? `t${cell.ticket}` : undefined };
}

const NO_CELL: CellReply = {
  cell: '',
  runId: '',
  redis: { offsetMs: 0, uncertaintyMs: 0, atMs: 0 },
  redisNowMs: 0,
  wallMs: 0,
  link: 'no-link',
  values: new Map(),
  ticket: '',
};
const NO_PLACE: Place = { cell: NO_CELL, key: '', guard: undefined };
const NOWHERE: Found['places'] = { state: NO_PLACE, clock: NO_PLACE };
