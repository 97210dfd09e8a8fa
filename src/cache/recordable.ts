/**
 * What a program says that is to become a fact, held against what a fact may hold, where the program still hears it.
 *
 * The schemas of the catalogue would refuse the same, but at the flush: there nobody is left to be told, and the fact is lost.
 * They are not asked here, for they would load their library at every cold start; a test holds the two together by saying
 * all that is odd and losing nothing. What this process found out by itself is no argument to be refused: facts.ts brings that
 * within the limits.
 */
import { InvalidInputError } from '../base/errors.js';
import { shown } from '../base/shown.js';
import type { OffsetEstimate } from '../clock/offset.js';
import type { ReferenceLink } from '../clock/reference.js';
import type { SyncTrigger } from '../events/catalogue.js';
import type { UsableState } from './lookup.js';
import { isUuid, LIMITS } from './offset-state.js';

/** Of catalogue.ts, which is not imported: it would load the schema library at every cold start. */
export const MAX_TEXT_CHARS = 200;

/** U+0000, and half of a character of two code units. */
const UNSTORABLE = /\0|\p{Surrogate}/u;

/** Complete by its type. */
const TRIGGERS: Readonly<Record<SyncTrigger, true>> = {
  absent: true,
  expired: true,
  invalid: true,
  corrupt: true,
  'auth-failure': true,
  'warm-up': true,
  passive: true,
};

interface NumberBounds {
  readonly from: number;
  readonly to: number;
  readonly isWhole?: boolean;
  /** Follows "a number" in a message: the unit. */
  readonly of: string;
  readonly remedy?: string;
}

const DURATION: NumberBounds = { from: 0, to: LIMITS.maxOffsetMs, of: 'milliseconds' };
const OFFSET: NumberBounds = { from: -LIMITS.maxOffsetMs, to: LIMITS.maxOffsetMs, of: 'milliseconds' };
const RATE: NumberBounds = { from: -LIMITS.maxRatePpm, to: LIMITS.maxRatePpm, of: 'ppm' };
/** What the read tables' column holds. */
export const MAX_SAMPLES = 2_147_483_647;
const COUNT: NumberBounds = { from: 0, to: MAX_SAMPLES, isWhole: true, of: 'samples' };
const TIME: NumberBounds = {
  from: LIMITS.earliestTimeMs,
  to: LIMITS.latestTimeMs,
  of: 'epoch milliseconds, 2000 to 2100',
  remedy: 'seconds are to be multiplied by 1000, microseconds divided by 1000',
};
const ANY_NUMBER: NumberBounds = { from: -Number.MAX_VALUE, to: Number.MAX_VALUE, of: 'any unit' };

/** @throws InvalidInputError that names value, limit and remedy */
export function requireNumber(name: string, value: unknown, bounds: NumberBounds): asserts value is number {
  const { from, to, isWhole = false, of, remedy } = bounds;
  const isNumber = typeof value === 'number' && value >= from && value <= to;
  if (isNumber && (!isWhole || Number.isInteger(value))) return;
  const range = to === Number.MAX_VALUE ? 'that is finite' : `from ${from} to ${to} (${of})`;
  throw new InvalidInputError(
    `${name} must be a ${isWhole ? 'whole ' : ''}number ${range}, got ${shown(value)}${remedy ? `: ${remedy}` : ''}`,
  );
}

/** @throws InvalidInputError */
export const requireTime = (name: string, value: unknown, remedy = TIME.remedy as string): void =>
  requireNumber(name, value, { ...TIME, remedy });

/** @throws InvalidInputError for what is no text, longer than an event holds, or no text that a database can hold */
export function requireText(name: string, value: unknown, least = 0): asserts value is string {
  if (typeof value === 'string' && value.length >= least && isStorable(value)) return;
  throw new InvalidInputError(
    `${name} must be text of ${least} to ${MAX_TEXT_CHARS} characters without U+0000 and half characters, got ${shown(value)}`,
  );
}

const isStorable = (text: string) => text.length <= MAX_TEXT_CHARS && !UNSTORABLE.test(text);

/** @throws InvalidInputError */
export function requireOneOf<Name extends string>(
  name: string,
  value: unknown,
  names: Readonly<Record<Name, true>>,
): asserts value is Name {
  if (typeof value === 'string' && Object.hasOwn(names, value)) return;
  throw new InvalidInputError(`${name} must be one of ${Object.keys(names).join(', ')}, got ${shown(value)}`);
}

/** @throws InvalidInputError */
export const requireTrigger = (value: unknown): void => requireOneOf('trigger', value, TRIGGERS);

/** @throws InvalidInputError */
export function requireUuid(name: string, value: unknown): asserts value is string {
  if (isUuid(value)) return;
  throw new InvalidInputError(
    `${name} must be a UUID, got ${shown(value)}: crypto.randomUUID() makes one for each measurement`,
  );
}

function requireObject(name: string, value: unknown): asserts value is object {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return;
  throw new InvalidInputError(`${name} must be an object, got ${shown(value)}`);
}

/** @throws InvalidInputError */
export function requireEstimate(name: string, estimate: OffsetEstimate): void {
  requireObject(name, estimate);
  requireNumber(`${name}.offsetMs`, estimate.offsetMs, OFFSET);
  requireNumber(`${name}.uncertaintyMs`, estimate.uncertaintyMs, DURATION);
  requireTime(`${name}.atMs`, estimate.atMs);
  if (estimate.rate === undefined) return;
  requireObject(`${name}.rate`, estimate.rate);
  requireNumber(`${name}.rate.ratePpm`, estimate.rate.ratePpm, RATE);
  requireNumber(`${name}.rate.boundPpm`, estimate.rate.boundPpm, { ...RATE, from: 0 });
}

/** A link may be years: a container's own clock may be that far off. @throws InvalidInputError */
export function requireLink(name: string, link: ReferenceLink): void {
  requireObject(name, link);
  requireText(`${name}.clockId`, link.clockId, 1);
  requireNumber(`${name}.offsetMs`, link.offsetMs, ANY_NUMBER);
  requireNumber(`${name}.uncertaintyMs`, link.uncertaintyMs, { ...ANY_NUMBER, from: 0 });
  requireNumber(`${name}.atMs`, link.atMs, ANY_NUMBER);
}

/** What a request was signed with, as a lookup gave it. @throws InvalidInputError */
export function requireState(name: string, state: UsableState): void {
  requireObject(name, state);
  requireUuid(`${name}.syncId`, state.syncId);
  requireText(`${name}.referenceClock`, state.referenceClock, 1);
  requireEstimate(`${name}.estimate`, state.estimate);
  requireLink(`${name}.link`, state.link);
}

/** How it was measured. @throws InvalidInputError */
export function requireMeasuring(roundTripMs: unknown, samples: unknown): void {
  requireNumber('roundTripMs', roundTripMs, DURATION);
  requireNumber('samples', samples, COUNT);
}

/** The figures of a TTL's decision. @throws InvalidInputError */
export function requireFigures(name: string, figures: unknown): void {
  requireObject(name, figures);
  for (const [key, value] of Object.entries(figures)) {
    if (key.length > 40)
      throw new InvalidInputError(`${name} must have names of at most 40 characters, got ${shown(key)}`);
    requireNumber(`${name}.${shown(key)}`, value, ANY_NUMBER);
  }
}

/** @throws InvalidInputError */
export function requireTrace(trace: object): void {
  requireObject('trace', trace);
  const { correlationId, causedBy } = trace as {
    readonly correlationId?: unknown;
    readonly causedBy?: unknown;
  };
  if (correlationId !== undefined) requireText('correlationId', correlationId);
  if (causedBy === undefined) return;
  requireObject('causedBy', causedBy);
  // Given when it first leaves.
  const { id } = causedBy as { readonly id?: unknown };
  if (id !== undefined) requireUuid('causedBy.id', id);
}
