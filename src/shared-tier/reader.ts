/**
 * A lookup in Redis: any number of connectors, one round trip.
 *
 * The keys are put together by cell, one script call each, all sent at once. Each answer brings the time of the server
 * that gave it, its run id and its link, so that every value is placed by the clock of the very server that had it: also
 * behind a proxy, after a redirection, or when the master is another one than a moment ago.
 *
 * A value is used only if everything about it is in order. Whatever is not is a miss with a reason, and PostgreSQL is
 * asked; what it says may then be put in the place ({@link Found.places}, writer.ts).
 *
 * What lives as long as a question is under way is made by classes. V8 counts for each object literal how many of its objects
 * outlive a collection, and when hundreds of lookups wait at once nearly all do: from then on it makes those of that
 * literal old from the start, also when lookups are few again. Each then keeps what it leads to, 3 KB a lookup, until a full
 * collection. Objects of a class are made young whatever was.
 */
import { hash, randomBytes } from 'node:crypto';
import { isContinuous } from '../clock/continuous.js';
import { type ClockSample, estimateFromSample, intersect, type OffsetEstimate } from '../clock/offset.js';
import type { ReferenceLink } from '../clock/reference.js';
import { composeLink, LINK_RENEWED_AFTER_MS, type StoredLink } from '../clock/stored-link.js';
import type { RawClock, RawState } from '../read-model/lookup.js';
import type { RedisConnections } from './connections.js';
import type { KeyPlace, Keys, SharedKey } from './keys.js';
import { type Unpacked, type Unusable, unpackClock, unpackLink, unpackState } from './packed.js';
import { READ } from './scripts.js';
import { type Values, valueAt, valuesOf } from './values.js';

/** Why Redis had no answer. */
export type SharedMiss =
  | Unusable
  | 'absent'
  | 'no-clock'
  /** Nobody has measured this server's clock against the database's, or not lately. */
  | 'no-link'
  | 'set-clock'
  | 'interrupted';

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
  readonly answer: SharedAnswer | undefined;
  readonly reason: SharedMiss | undefined;
  /** Why the node that has it was not to be asked. */
  readonly failure: unknown;
  /** Where its state stands. */
  readonly cell: string;
  /** Made when somebody has something to put there. */
  places(): { readonly state: Place; readonly clock: Place };
  /** The link is getting old: somebody should measure it anew. */
  readonly isLinkOld: boolean;
  /** Of what will be written in its place, if it is already known. */
  readonly refusal: string | undefined;
}

export interface CellReply {
  readonly cell: string;
  readonly runId: string;
  /** Redis − here. */
  readonly redis: OffsetEstimate;
  readonly redisNowMs: number;
  readonly wallMs: number;
  readonly link: StoredLink | Unusable | 'no-link';
  readonly values: Values;
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

/** So many keys a script takes, a thousand connectors with their clocks among them: Lua hands on no more than 8 000 at once. */
const MAX_KEYS = 2_000;

/** What one script call asks for, and what it answered. */
class Call {
  /** The link's first. */
  readonly keys: string[];
  reply: CellReply | undefined = undefined;
  failure: unknown = undefined;
  readonly cell: string;

  constructor(cell: string, link: string) {
    this.cell = cell;
    this.keys = [link];
  }
}

/** Where the clock of many connectors was asked for, and what all share that were read in the same two calls. */
class AskedClock {
  readonly call: Call;
  readonly index: number;
  judgedBy: CellReply | undefined = undefined;
  link: ReferenceLink | SharedMiss = 'no-link';
  shared: Unpacked<RawClock> | SharedMiss = 'no-clock';

  constructor(call: Call, key: string) {
    this.call = call;
    this.index = call.keys.push(key) - 1;
  }

  /** Once for all that came with the same answer. */
  judge(parts: ReaderParts, mine: CellReply, its: CellReply): void {
    if (this.judgedBy === mine) return;
    this.judgedBy = mine;
    this.link = linkOfBoth(parts, mine, its);
    const clock = valueAt(its.values, this.index);
    this.shared =
      typeof this.link === 'string' || typeof clock === 'boolean'
        ? 'no-clock'
        : unpackClock(clock, this.link.clockId, its.runId, its.redisNowMs);
  }
}

/** One connector: what is asked for, and then what was found. */
class Asked implements Found {
  answer: SharedAnswer | undefined = undefined;
  reason: SharedMiss | undefined = undefined;
  failure: unknown = undefined;
  isLinkOld = false;
  refusal: string | undefined = undefined;
  readonly #call: Call;
  readonly #index: number;
  readonly #clock: AskedClock;

  constructor(call: Call, key: string, clock: AskedClock) {
    this.#call = call;
    this.#index = call.keys.push(key) - 1;
    this.#clock = clock;
  }

  judge(parts: ReaderParts, key: SharedKey): void {
    const clock = this.#clock;
    this.failure = this.#call.failure ?? clock.call.failure;
    if (this.failure !== undefined) return;
    const [mine, its] = [this.#call.reply, clock.call.reply];
    // Timed by a clock that stood or was set meanwhile, Redis' time would be placed wrongly on ours.
    if (!mine || !its) {
      this.reason = 'interrupted';
      return;
    }
    this.isLinkOld = isOld(mine) || isOld(its);
    clock.judge(parts, mine, its);
    const answer = answerOf(key, mine, this.#index, its, clock);
    if (typeof answer !== 'string') this.answer = answer;
    else {
      this.reason = answer;
      this.refusal = mine.refusal ?? its.refusal;
    }
  }

  get cell(): string {
    return this.#call.cell;
  }

  places(): { state: Place; clock: Place } {
    const clock = this.#clock;
    const [mine, its] = [this.#call.reply, clock.call.reply];
    if (!mine || !its) return { state: NO_PLACE, clock: NO_PLACE };
    return { state: placeIn(mine, this.#call, this.#index), clock: placeIn(its, clock.call, clock.index) };
  }
}

function answerOf(
  key: SharedKey,
  mine: CellReply,
  index: number,
  its: CellReply,
  { link, shared }: AskedClock,
): SharedAnswer | SharedMiss {
  if (typeof link === 'string') return link;
  const { packed, starts, ends } = mine.values;
  const [from, end] = [starts[index] as number, ends[index] as number];
  if (end <= 0) return 'absent';
  if (shared === 'no-clock') return shared;
  const row = unpackState(packed, from, end, key, link.clockId, mine.runId, mine.redisNowMs);
  if (typeof row === 'string') return row;
  if (typeof shared === 'string') return shared;
  return {
    state: row.raw,
    clock: shared.raw,
    link,
    usableForMs: Math.min(row.endsAtMs - mine.redisNowMs, shared.endsAtMs - its.redisNowMs),
  };
}

/** @throws what the client throws, when nobody answers */
export async function find(parts: ReaderParts, wanted: readonly SharedKey[]): Promise<Found[]> {
  const { keys } = parts;
  const calls: Call[] = [];
  const open = new Map<string, Call>();
  const callTo = (cell: string): Call => {
    const known = open.get(cell);
    if (known && known.keys.length < MAX_KEYS) return known;
    const call = new Call(cell, keys.link(cell));
    calls.push(call);
    open.set(cell, call);
    return call;
  };
  /** Many connectors have one clock. */
  const clocks = new Map<KeyPlace, AskedClock>();
  const asked = wanted.map(key => {
    const { cell, key: at, clock: itsPlace } = keys.stateAsked(key);
    let clock = clocks.get(itsPlace);
    if (!clock) {
      clock = new AskedClock(callTo(itsPlace.cell), itsPlace.key);
      clocks.set(itsPlace, clock);
    }
    return new Asked(callTo(cell), at, clock);
  });
  await (calls.length === 1
    ? ask(parts, calls[0] as Call)
    : Promise.all(calls.map(call => ask(parts, call))));
  // Of a cluster one node may be away, and the others have what they have.
  if (calls.every(({ failure }) => failure !== undefined)) throw calls[0]?.failure;
  for (const [i, one] of asked.entries()) one.judge(parts, wanted[i] as SharedKey);
  return asked;
}

async function ask(parts: ReaderParts, call: Call): Promise<void> {
  try {
    call.reply = await readCell(parts, call.cell, call.keys);
  } catch (error) {
    call.failure = error;
  }
}

const TICKET_PREFIX = randomBytes(9).toString('base64url');
let tickets = 0;
/** Nobody else's, ever: this process's own random bytes, which cost too much to draw for each lookup, and a number. */
const nextTicket = () => `${TICKET_PREFIX}${(tickets++).toString(36)}`;

/** @param keys of the cell, the link's first */
export async function readCell(
  parts: Omit<ReaderParts, 'keys' | 'known'>,
  cell: string,
  keys: readonly string[],
  withTicket = true,
): Promise<CellReply | undefined> {
  const { connections, now, wall, ticketLifeMs } = parts;
  const ticket = withTicket ? nextTicket() : '';
  const [sentAtMs, wallBeforeMs] = [now(), wall()];
  const reply = await connections.run(READ, keys, [ticket, String(ticketLifeMs)]);
  const [receivedAtMs, wallMs] = [now(), wall()];
  if (!isContinuous(receivedAtMs - sentAtMs, wallMs - wallBeforeMs)) return undefined;
  if (!Array.isArray(reply)) throw new Error('the script that reads answered something else');
  const [whoAndWhen, packed, refused] = reply as unknown[];
  const values = Buffer.isBuffer(packed) ? valuesOf(packed, keys.length) : undefined;
  if (!values) throw new Error('the script that reads answered something else');
  const [seconds, micros, runId = ''] = String(whoAndWhen).split(' ');
  const serverTimeMs = Number(seconds) * 1_000 + Number(micros) / 1_000;
  if (!Number.isFinite(serverTimeMs) || runId === '') throw new Error('Redis told neither time nor run id');
  const sample: ClockSample = { sentAtMs, receivedAtMs, serverTimeMs };
  const redis = estimateFromSample(sample);
  const link = valueAt(values, 0);
  return {
    cell,
    runId,
    redis,
    redisNowMs: redis.atMs + redis.offsetMs,
    wallMs,
    link: typeof link === 'boolean' ? 'no-link' : unpackLink(link, runId),
    values,
    ticket,
    refusal: Buffer.isBuffer(refused) && refused.length > 0 ? refused.toString() : undefined,
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

function placeIn(cell: CellReply, { keys }: Call, index: number): Place {
  const value = valueAt(cell.values, index);
  const key = keys[index] as string;
  if (typeof value !== 'boolean') return { cell, key, guard: `s${hash('sha1', value, 'hex')}` };
  return { cell, key, guard: value ? `t${cell.ticket}` : undefined };
}

const NO_CELL: CellReply = {
  cell: '',
  runId: '',
  redis: { offsetMs: 0, uncertaintyMs: 0, atMs: 0 },
  redisNowMs: 0,
  wallMs: 0,
  link: 'no-link',
  values: { packed: Buffer.alloc(0), starts: [], ends: [] },
  ticket: '',
  refusal: undefined,
};
const NO_PLACE: Place = { cell: NO_CELL, key: '', guard: undefined };
