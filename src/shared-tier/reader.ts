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
import { clockNameOf, type Keys } from './keys.js';
import { type Unpacked, type Unusable, unpackClock, unpackLink, unpackState } from './packed.js';
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

/** A connector that is known: the same object each time. */
export type SharedKey = LookupKey & ConnectorRef;

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
  /** Why the node that has it was not to be asked. */
  readonly failure?: unknown;
  /** Made when somebody has something to put there. */
  places(): { readonly state: Place; readonly clock: Place };
  /** The link is getting old: somebody should measure it anew. */
  readonly isLinkOld: boolean;
  /** Of what will be written in its place, if it is already known. */
  readonly refusal?: string | undefined;
}

export interface CellReply {
  readonly cell: string;
  readonly runId: string;
  /** Redis − here. */
  readonly redis: OffsetEstimate;
  readonly redisNowMs: number;
  readonly wallMs: number;
  readonly link: StoredLink | Unusable | 'no-link';
  /** In the order of the entries: a value; whether a ticket was given where there is none. */
  readonly values: readonly (Buffer | boolean)[];
  readonly ticket: string;
  /** Why it could give no ticket: it takes nothing that is written. */
  readonly refusal: string | undefined;
}

export interface ReaderParts {
  readonly connections: Pick<RedisConnections, 'run'>;
  readonly keys: Keys;
  readonly now: () => number;
  readonly wall: () => number;
  /** The database's clock as this process knows it from asking it. */
  readonly known: () => ReferenceLink | undefined;
  /**
   * So long whoever missed may take to ask PostgreSQL and fill in; who comes later finds the ticket gone. Whoever gave up
   * on Redis meanwhile, while its question was still under way, holds a ticket in vain: nobody fills in for so long.
   */
  readonly ticketLifeMs: number;
}

/** So many keys a script takes: Lua hands on no more than some thousands at once. */
const MAX_ENTRIES = 1_000;

/** The entries of one script call, and what it answered. */
interface Call {
  readonly cell: string;
  readonly entries: string[];
  reply: CellReply | undefined;
  failure?: unknown;
}
interface Entry {
  readonly call: Call;
  readonly index: number;
}

/** @throws what the client throws, when nobody answers */
export async function find(parts: ReaderParts, wanted: readonly SharedKey[]): Promise<Found[]> {
  const calls: Call[] = [];
  const open = new Map<string, Call>();
  const want = (cell: string, key: string): Entry => {
    let call = open.get(cell);
    if (!call || call.entries.length >= MAX_ENTRIES) {
      call = { cell, entries: [], reply: undefined };
      calls.push(call);
      open.set(cell, call);
    }
    return { call, index: call.entries.push(key) - 1 };
  };
  const clockEntry = clocksWanted(parts.keys, want);
  const asked = wanted.map(key => {
    const { cell, key: at } = parts.keys.stateAsked(key);
    return { key, state: want(cell, at), clock: clockEntry(key) };
  });
  await Promise.all(
    calls.map(async call => {
      try {
        call.reply = await readCell(parts, call.cell, call.entries);
      } catch (error) {
        call.failure = error;
      }
    }),
  );
  // Of a cluster one node may be away, and the others have what they have.
  if (calls.every(({ failure }) => failure !== undefined)) throw calls[0]?.failure;
  const judged = judgeAll(parts);
  return asked.map(({ key, state, clock }) => {
    const failure = state.call.failure ?? clock.call.failure;
    if (failure !== undefined) return { failure, places: nowhere, isLinkOld: false };
    const [mine, its] = [state.call.reply, clock.call.reply];
    // Timed by a clock that stood or was set meanwhile, Redis' time would be placed wrongly on ours.
    if (!mine || !its) return { reason: 'interrupted', places: nowhere, isLinkOld: false };
    const places = () => ({ state: placeIn(mine, state), clock: placeIn(its, clock) });
    const isLinkOld = isOld(mine) || isOld(its);
    const answer = judged(key, mine, mine.values[state.index], its, its.values[clock.index]);
    return typeof answer === 'string'
      ? { reason: answer, places, isLinkOld, refusal: mine.refusal ?? its.refusal }
      : { answer, places, isLinkOld };
  });
}

/** Many connectors have one clock. */
function clocksWanted(keys: Keys, want: (cell: string, key: string) => Entry): (key: SharedKey) => Entry {
  const known = new Map<string, Entry>();
  return key => {
    const name = clockNameOf(key);
    let entry = known.get(name);
    if (!entry) {
      const cell = keys.cellOfClock(key);
      entry = want(cell, keys.clock(cell, key));
      known.set(name, entry);
    }
    return entry;
  };
}

const TICKET_PREFIX = randomBytes(9).toString('base64url');
let tickets = 0;
/** Nobody else's, ever: this process's own random bytes, which cost too much to draw for each lookup, and a number. */
const nextTicket = () => `${TICKET_PREFIX}${(tickets++).toString(36)}`;

/** @param entries may be empty: then it is the server's clock and link that are asked for */
export async function readCell(
  parts: ReaderParts,
  cell: string,
  entries: readonly string[],
  withTicket = true,
): Promise<CellReply | undefined> {
  const { connections, keys, now, wall, ticketLifeMs } = parts;
  const ticket = withTicket ? nextTicket() : '';
  const [sentAtMs, wallBeforeMs] = [now(), wall()];
  const reply = await connections.run(READ, [keys.link(cell), ...entries], [ticket, String(ticketLifeMs)]);
  const [receivedAtMs, wallMs] = [now(), wall()];
  if (!isContinuous(receivedAtMs - sentAtMs, wallMs - wallBeforeMs)) return undefined;
  if (!Array.isArray(reply)) throw new Error('the script that reads answered something else');
  const [seconds, micros, id, link, lengths, found, refused] = reply as unknown[];
  if (!Buffer.isBuffer(lengths) || !Buffer.isBuffer(found) || lengths.length !== 2 * entries.length)
    throw new Error('the script that reads answered something else');
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
    values: cut(lengths, found),
    ticket,
    refusal: Buffer.isBuffer(refused) && refused.length > 0 ? refused.toString() : undefined,
  };
}

const NOTHING = 65_535;
const NOTHING_BUT_THE_TICKET = 65_534;

function cut(lengths: Buffer, found: Buffer): (Buffer | boolean)[] {
  const values: (Buffer | boolean)[] = [];
  for (let at = 0, from = 0; at < lengths.length; at += 2) {
    const length = lengths.readUInt16BE(at);
    if (length === NOTHING || length === NOTHING_BUT_THE_TICKET) values.push(length !== NOTHING);
    else {
      values.push(found.subarray(from, from + length));
      from += length;
    }
  }
  return values;
}

type Value = Buffer | boolean | undefined;

/** What all connectors of one clock share that were read in the same two calls: it is judged once. */
interface Common {
  readonly mine: CellReply;
  readonly its: CellReply;
  readonly link: ReferenceLink | SharedMiss;
  readonly shared: Unpacked<RawClock> | SharedMiss;
}

type Judge = (
  key: SharedKey,
  mine: CellReply,
  state: Value,
  its: CellReply,
  clock: Value,
) => SharedAnswer | SharedMiss;

function judgeAll(parts: ReaderParts): Judge {
  const known = new Map<Value, Common>();
  return (key, mine, state, its, clock) => {
    let common = known.get(clock);
    if (common?.mine !== mine || common.its !== its) {
      const link = linkOfBoth(parts, mine, its);
      const shared =
        typeof link === 'string' || !Buffer.isBuffer(clock)
          ? 'no-clock'
          : unpackClock(clock, link.clockId, its.runId, its.redisNowMs);
      common = { mine, its, link, shared };
      known.set(clock, common);
    }
    const { link, shared } = common;
    if (typeof link === 'string') return link;
    if (!Buffer.isBuffer(state)) return 'absent';
    if (shared === 'no-clock') return shared;
    const row = unpackState(state, key, link.clockId, mine.runId, mine.redisNowMs);
    if (typeof row === 'string') return row;
    if (typeof shared === 'string') return shared;
    return {
      state: row.raw,
      clock: shared.raw,
      link,
      usableForMs: Math.min(row.endsAtMs - mine.redisNowMs, shared.endsAtMs - its.redisNowMs),
    };
  };
}

/** The finer of both. */
function linkOfBoth(parts: ReaderParts, mine: CellReply, its: CellReply): ReferenceLink | SharedMiss {
  const link = linkOver(parts, mine);
  if (typeof link === 'string' || its === mine) return link;
  const other = linkOver(parts, its);
  if (typeof other === 'string') return other;
  if (other.clockId !== link.clockId) return 'other-clock';
  // Two servers' clocks, each linked by itself to one database: if they exclude each other one of them was set.
  if (!intersect(link, other)) return 'set-clock';
  return other.uncertaintyMs < link.uncertaintyMs ? other : link;
}

function linkOver({ known }: ReaderParts, { link, redis, wallMs }: CellReply): ReferenceLink | SharedMiss {
  if (typeof link === 'string') return link;
  const composed = composeLink(link, { server: redis, wallMs, known: known() });
  return composed === 'too-old' ? 'no-link' : composed;
}

const isOld = ({ link, redisNowMs }: CellReply): boolean =>
  typeof link === 'string' || redisNowMs - link.atMs > LINK_RENEWED_AFTER_MS;

function placeIn(cell: CellReply, { call, index }: Entry): Place {
  const value = cell.values[index];
  const key = call.entries[index] as string;
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
  values: [],
  ticket: '',
  refusal: undefined,
};
const NO_PLACE: Place = { cell: NO_CELL, key: '', guard: undefined };
const nowhere: Found['places'] = () => ({ state: NO_PLACE, clock: NO_PLACE });
