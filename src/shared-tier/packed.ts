/**
 * What stands in Redis, as bytes: a connector's state (60 bytes, 68 with a rate; what Redis has in use for one is measured by
 * `npm run bench -- redis`), an exchange's shared clock, the link between two servers' clocks. The first 28 bytes of each are for the scripts (scripts.ts), the last 6 are put there by
 * them: the time at which the value ends, by that server's clock.
 *
 * What is read was written by anybody: another release, a hand, another deployment. It is taken apart into a raw row, which
 * the cache judges as it judges a row of PostgreSQL, or into the reason why it is none.
 *
 * Whose state it is stands in it as a digest: it must be the one that was asked for. So does the reference clock: it must
 * be the one of the link that it was found with. Numbers that lose digits lose them to the safe side.
 */
import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { StoredLink } from '../clock/stored-link.js';
import { type ConnectorRef, scopeOf } from '../events/connector.js';
import type { LookupKey, RawClock, RawState } from '../read-model/lookup.js';

export const FORMAT = 1;
const HEADER_BYTES = 28;
const END_BYTES = 6;
const LINEAGE_AT = 24;
const IDENTITY_AT = 8;
const STATE_BYTES = 54;
const RATE_BYTES = 8;

/** A thousandth of a millisecond, about; and a sixteenth. */
const OFFSET_UNITS = 1_024;
const WIDTH_UNITS = 16;

const VALID = 1;
const ADOPTED = 2;
const WITH_RATE = 4;

/** Of a value that is no use, and why. */
export type Unusable = 'corrupt' | 'other-lineage' | 'other-connector' | 'other-clock' | 'ended';

export interface Unpacked<Raw> {
  readonly raw: Raw;
  /** By the clock of the server that has it. */
  readonly endsAtMs: number;
}

const digest = (bytes: number, text: string): Buffer => hash('sha1', text, 'buffer').subarray(0, bytes);

/** A digest costs a microsecond, and of a thousand values all ask for the same few. */
function remembered(bytes: number, salt = ''): (text: string) => number {
  const known = new LRUCache<string, number>({ max: 1_000 });
  let last = { text: '', number: 0 };
  return text => {
    if (last.text === text && text !== '') return last.number;
    let number = known.get(text);
    if (number === undefined) {
      number = digest(bytes, `${salt}${text}`).readUIntBE(0, bytes);
      known.set(text, number);
    }
    last = { text, number };
    return number;
  };
}
const clockDigest = remembered(4);
const lineageOf = remembered(4, 'lineage ');

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** @returns `undefined` for what is no UUID */
export const uuidBytes = (uuid: unknown): Buffer | undefined =>
  typeof uuid === 'string' && UUID.test(uuid) ? Buffer.from(uuid.replaceAll('-', ''), 'hex') : undefined;

const HEX = Buffer.from('0123456789abcdef');
/** Where the digits of each byte stand in a UUID's text. */
const UUID_PLACES = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34] as const;
const uuidDigits = Buffer.alloc(36, '-');

/** Written out by digits: to cut it out of one hexadecimal text and put it together takes twice as long. */
function uuidText(value: Buffer, at: number): string {
  for (let i = 0; i < 16; i++) {
    const byte = value[at + i] as number;
    const place = UUID_PLACES[i] as number;
    uuidDigits[place] = HEX[byte >> 4] as number;
    uuidDigits[place + 1] = HEX[byte & 15] as number;
  }
  return uuidDigits.toString('latin1');
}

function header(order: number, flags: number, identity: Buffer, runId: string, bytes: number): Buffer {
  const value = Buffer.alloc(HEADER_BYTES + bytes);
  value[0] = FORMAT;
  value.writeUIntBE(order, 1, 6);
  value[7] = flags;
  identity.copy(value, IDENTITY_AT);
  value.writeUInt32BE(lineageOf(runId), LINEAGE_AT);
  return value;
}

/** @returns when the value from `from` to before `to` ends, or why it is none */
function endOf(bytes: Buffer, from: number, to: number, runId: string, nowMs: number): number | Unusable {
  if (to - from < HEADER_BYTES + END_BYTES || bytes[from] !== FORMAT) return 'corrupt';
  if (bytes.readUInt32BE(from + LINEAGE_AT) !== lineageOf(runId)) return 'other-lineage';
  const endsAtMs = bytes.readUIntBE(to - END_BYTES, END_BYTES);
  return endsAtMs <= nowMs ? 'ended' : endsAtMs;
}

const isWhole = (n: unknown, limit: number): n is number =>
  typeof n === 'number' && Number.isInteger(n) && n >= 0 && n < limit;
const SIX_BYTES = 2 ** 48;

/** The least 32-bit float that is not below. */
export function notBelow(n: number): number {
  const near = Math.fround(n);
  if (near >= n) return near;
  const view = new DataView(new ArrayBuffer(4));
  view.setFloat32(0, near);
  view.setUint32(0, view.getUint32(0) + (near >= 0 ? 1 : -1));
  return view.getFloat32(0);
}

const whose = (ref: ConnectorRef): number =>
  digest(
    3,
    JSON.stringify([ref.exchange, ref.environment, scopeOf(ref), ref.userId, ref.credentialId]),
  ).readUIntBE(0, 3);
/** Asked for with the same object each time (cache/known-connector.ts). */
export interface AskedRef extends ConnectorRef {
  /** The digest of whose state it is. */
  whose?: number | undefined;
}
const whoseAsked = (key: AskedRef): number => {
  key.whose ??= whose(key);
  return key.whose;
};
const whoseKey = (key: LookupKey, raw: RawState): number =>
  whose({
    userId: String(raw.userId),
    credentialId: String(raw.credentialId),
    exchange: raw.exchange as LookupKey['exchange'],
    environment: raw.environment as LookupKey['environment'],
    scope: String(raw.scope ?? key.scope),
  });

/**
 * @param version of the row's stream: what came later has a higher one
 * @returns `undefined` for a row that holds what no event makes: it stays in PostgreSQL, where it is judged
 */
export function packState(key: LookupKey, raw: RawState, version: number, runId: string): Buffer | undefined {
  const { syncId, offsetMs, uncertaintyMs, measuredAtMs, expiresAtMs, ratePpm, rateBoundPpm } = raw;
  const identity = uuidBytes(syncId);
  const [measured, ends] = [Math.floor(Number(measuredAtMs)), Math.floor(Number(expiresAtMs))];
  if (!identity || typeof raw.referenceClock !== 'string' || typeof raw.isValid !== 'boolean')
    return undefined;
  if (typeof offsetMs !== 'number' || typeof uncertaintyMs !== 'number' || !(uncertaintyMs >= 0))
    return undefined;
  if (typeof ratePpm !== 'number' || typeof rateBoundPpm !== 'number') return undefined;
  if (!isWhole(measured, SIX_BYTES) || !isWhole(ends, SIX_BYTES) || !isWhole(version, SIX_BYTES / 4))
    return undefined;
  if (raw.basis !== 'measured' && raw.basis !== 'exchange-clock') return undefined;
  const withRate = ratePpm !== 0 || rateBoundPpm !== 50;
  const flags =
    (raw.isValid ? VALID : 0) | (raw.basis === 'measured' ? 0 : ADOPTED) | (withRate ? WITH_RATE : 0);
  const order = version * 2 + (raw.isValid ? 0 : 1);
  const units = Math.round(offsetMs * OFFSET_UNITS);
  // What the offset loses by rounding, the uncertainty gains.
  const width = Math.ceil((uncertaintyMs + Math.abs(units / OFFSET_UNITS - offsetMs)) * WIDTH_UNITS);
  const ttlMs = ends - measured;
  if (Math.abs(units) >= 2 ** 47 || !isWhole(width, 2 ** 24) || !isWhole(ttlMs, 2 ** 32)) return undefined;
  const bytes = STATE_BYTES - HEADER_BYTES + (withRate ? RATE_BYTES : 0);
  const value = header(order, flags, identity, runId, bytes);
  value.writeUIntBE(whoseKey(key, raw), 28, 3);
  value.writeUInt32BE(clockDigest(raw.referenceClock), 31);
  value.writeIntBE(units, 35, 6);
  value.writeUIntBE(width, 41, 3);
  value.writeUIntBE(measured, 44, 6);
  value.writeUInt32BE(ttlMs, 50);
  if (withRate) {
    const rate = Math.fround(ratePpm);
    value.writeFloatBE(rate, 54);
    value.writeFloatBE(notBelow(rateBoundPpm + Math.abs(rate - ratePpm)), 58);
  }
  return value;
}

/**
 * @param bytes hold the value from `from` to before `to`: to cut a thousand of them out cost as much as to read them
 * @param clockId the reference clock of the link it was found with
 */
export function unpackState(
  bytes: Buffer,
  from: number,
  to: number,
  ref: AskedRef,
  clockId: string,
  runId: string,
  nowMs: number,
): Unpacked<RawState> | Unusable {
  const endsAtMs = endOf(bytes, from, to, runId, nowMs);
  if (typeof endsAtMs === 'string') return endsAtMs;
  const flags = bytes[from + 7] as number;
  const withRate = (flags & WITH_RATE) !== 0;
  if (to - from !== STATE_BYTES + (withRate ? RATE_BYTES : 0) + END_BYTES) return 'corrupt';
  if (bytes.readUIntBE(from + 28, 3) !== whoseAsked(ref)) return 'other-connector';
  if (bytes.readUInt32BE(from + 31) !== clockDigest(clockId)) return 'other-clock';
  const measuredAtMs = bytes.readUIntBE(from + 44, 6);
  return {
    endsAtMs,
    raw: {
      userId: ref.userId,
      credentialId: ref.credentialId,
      exchange: ref.exchange,
      environment: ref.environment,
      scope: scopeOf(ref),
      offsetMs: bytes.readIntBE(from + 35, 6) / OFFSET_UNITS,
      uncertaintyMs: bytes.readUIntBE(from + 41, 3) / WIDTH_UNITS,
      referenceClock: clockId,
      syncId: uuidText(bytes, from + IDENTITY_AT),
      basis: flags & ADOPTED ? 'exchange-clock' : 'measured',
      measuredAtMs,
      expiresAtMs: measuredAtMs + bytes.readUInt32BE(from + 50),
      isValid: (flags & VALID) !== 0,
      ratePpm: withRate ? bytes.readFloatBE(from + 54) : 0,
      rateBoundPpm: withRate ? bytes.readFloatBE(from + 58) : 50,
      // As it orders what is written (see packState).
      streamVersion: Math.floor(bytes.readUIntBE(from + 1, 6) / 2),
    },
  };
}

/** What tells one condition of a shared clock from the next: while it stays the same nothing good has become void. */
const conditionOf = (clock: RawClock): Buffer =>
  digest(16, JSON.stringify([clock.epoch, clock.epochStartedAtMs, clock.isValid, clock.contestedSinceMs]));

/** @param position of the last event that went in, as a number that grows */
export function packClock(
  clockId: string,
  raw: RawClock,
  position: number,
  runId: string,
): Buffer | undefined {
  if (!isWhole(position, SIX_BYTES)) return undefined;
  const text = Buffer.from(JSON.stringify({ clockId, ...raw }));
  const value = header(position, raw.isValid === true ? VALID : 0, conditionOf(raw), runId, text.length);
  text.copy(value, HEADER_BYTES);
  return value;
}

export function unpackClock(
  value: Buffer,
  clockId: string,
  runId: string,
  nowMs: number,
): Unpacked<RawClock> | Unusable {
  const endsAtMs = endOf(value, 0, value.length, runId, nowMs);
  if (typeof endsAtMs === 'string') return endsAtMs;
  const parsed = parseObject(value.subarray(HEADER_BYTES, value.length - END_BYTES));
  if (!parsed) return 'corrupt';
  if (parsed.clockId !== clockId) return 'other-clock';
  return { endsAtMs, raw: parsed as unknown as RawClock };
}

const NOBODY = Buffer.alloc(16);

export function packLink(link: StoredLink, runId: string): Buffer {
  const text = Buffer.from(JSON.stringify(link));
  const order = Math.max(0, Math.min(SIX_BYTES - 1, Math.floor(link.atMs)));
  const value = header(order, VALID, NOBODY, runId, text.length);
  text.copy(value, HEADER_BYTES);
  return value;
}

export function unpackLink(value: Buffer, runId: string): StoredLink | Unusable {
  if (value.length < HEADER_BYTES || value[0] !== FORMAT) return 'corrupt';
  if (value.readUInt32BE(LINEAGE_AT) !== lineageOf(runId)) return 'other-lineage';
  const parsed = parseObject(value.subarray(HEADER_BYTES));
  if (!parsed) return 'corrupt';
  const { clockId, offsetMs, uncertaintyMs, atMs, wallMinusServerMs } = parsed;
  const isNumber = (n: unknown): n is number => typeof n === 'number' && Number.isFinite(n);
  if (typeof clockId !== 'string' || clockId === '' || clockId.length > 200) return 'corrupt';
  if (!isNumber(offsetMs) || !isNumber(uncertaintyMs) || uncertaintyMs < 0) return 'corrupt';
  if (!isNumber(atMs) || !isNumber(wallMinusServerMs)) return 'corrupt';
  return { clockId, offsetMs, uncertaintyMs, atMs, wallMinusServerMs };
}

type Parsed = Readonly<Record<string, unknown>>;

/** Of the few clocks and links there are each lookup reads one: the same text gives the same object, which nobody changes. */
const parsedTexts = new LRUCache<string, Parsed>({ max: 100 });

function parseObject(bytes: Buffer): Parsed | undefined {
  const text = bytes.toString('utf8');
  const known = parsedTexts.get(text);
  if (known) return known;
  try {
    const parsed: unknown = JSON.parse(text);
    if (parsed === null || typeof parsed !== 'object' || Array.isArray(parsed)) return undefined;
    parsedTexts.set(text, Object.freeze(parsed as Parsed));
    return parsed as Parsed;
  } catch {
    return undefined;
  }
}
