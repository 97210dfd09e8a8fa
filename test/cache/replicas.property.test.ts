/** What a replica's answer is believed for: clocks whose truth is known, links of any age, steps in between. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { LookupAnswer } from '../../src/cache/guarded-lookup.js';
import { type Asker, BELIEVED_FOR_MS, judge } from '../../src/cache/replicas.js';
import { estimateFromSample } from '../../src/clock/offset.js';
import { linkFromSample } from '../../src/clock/reference.js';
import { linkToStore } from '../../src/clock/stored-link.js';

const T0 = Date.UTC(2026, 10, 1);
const STANDBY = 'pg:1:1:standby-10.0.0.2';

/** By true time, each clock's offset from it in milliseconds. */
interface Days {
  readonly primary: number;
  readonly replica: number;
  readonly writer: number;
  readonly reader: number;
  readonly outMs: number;
  readonly backMs: number;
  readonly ageMs: number;
  /** Of the replica's clock, after the link was stored. */
  readonly setBy: number;
}
const days = fc.record({
  primary: fc.integer({ min: -1e7, max: 1e7 }),
  replica: fc.integer({ min: -1e7, max: 1e7 }),
  writer: fc.integer({ min: -1e6, max: 1e6 }),
  reader: fc.integer({ min: -1e6, max: 1e6 }),
  outMs: fc.integer({ min: 0, max: 200 }),
  backMs: fc.integer({ min: 0, max: 200 }),
  ageMs: fc.integer({ min: 0, max: 2 * BELIEVED_FOR_MS }),
  setBy: fc.oneof(fc.constant(0), fc.integer({ min: -1_000, max: 1_000 })),
});

function answerOf(d: Days): { answer: LookupAnswer; clock: { now(): number; wall(): number } } {
  const sampled = (host: number, server: number, atMs: number) => ({
    sentAtMs: atMs - d.outMs + host,
    receivedAtMs: atMs + d.backMs + host,
    serverTimeMs: Math.floor(atMs + server),
  });
  const database = linkFromSample('pg:1:1', sampled(d.writer, d.primary, T0 + 500));
  // Wall and monotonic clock of a host are one here.
  const link = linkToStore(database, estimateFromSample(sampled(d.writer, d.replica, T0)), 0);
  const readMs = T0 + 1_000 + d.ageMs;
  const sample = sampled(d.reader, d.replica + d.setBy, readMs);
  const now = () => sample.receivedAtMs;
  const replica = { name: `${STANDBY}@1`, isStandby: true, link, renewedAtMs: T0 + 1_000 + d.primary };
  const answer = {
    clockId: STANDBY,
    sample,
    checkpoint: undefined,
    state: undefined,
    clock: undefined,
    replica,
  };
  return { answer, clock: { now, wall: now } };
}

const stranger: Asker = { known: undefined, hasSeenOwn: () => true };
const QUIET: Days = {
  primary: 0,
  replica: 7_200_000,
  writer: 10,
  reader: -10,
  outMs: 1,
  backMs: 1,
  ageMs: 1_000,
  setBy: 0,
};

describe("the link over a replica's clock", () => {
  it('holds the truth, however wrong any clock is, where the hosts agree on the time', () => {
    fc.assert(
      fc.property(days, given => {
        const d = { ...given, reader: given.writer };
        const { answer, clock } = answerOf(d);
        const link = judge(answer, stranger, clock);
        if (typeof link === 'string') return;
        expect(Math.abs(link.offsetMs - (d.primary - d.reader))).toBeLessThanOrEqual(link.uncertaintyMs);
      }),
      { numRuns: 2_000 },
    );
  });

  it('holds it for any hosts where nobody set a clock, and whoever is linked lately is believed', () => {
    fc.assert(
      fc.property(days, given => {
        const d = { ...given, setBy: 0, reader: given.writer + (given.reader % 100) };
        const { answer, clock } = answerOf(d);
        const link = judge(answer, stranger, clock);
        const slack = 4 * (d.outMs + d.backMs) + 20;
        if (typeof link === 'string') expect(d.ageMs).toBeGreaterThan(BELIEVED_FOR_MS - slack);
        else {
          expect(d.ageMs).toBeLessThan(BELIEVED_FOR_MS + slack);
          expect(Math.abs(link.offsetMs - (d.primary - d.reader))).toBeLessThanOrEqual(link.uncertaintyMs);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('is not there, with a reason, where something is not in order', () => {
    const { answer, clock } = answerOf(QUIET);
    const itself = answer.replica as NonNullable<LookupAnswer['replica']>;
    expect(judge(answer, stranger, clock)).toMatchObject({ clockId: 'pg:1:1' });
    const known = (clockId: string, offsetMs = 10) => ({
      ...stranger,
      known: { clockId, offsetMs, uncertaintyMs: 1, atMs: clock.now() },
    });
    expect(judge(answer, known('pg:1:1'), clock)).toMatchObject({ uncertaintyMs: 1 });
    expect(judge(answer, known('pg:1:1', 500), clock)).toBe('set-clock');
    expect(judge(answer, known('pg:1:2'), clock)).toBe('other-clock');
    expect(judge(answer, { ...stranger, hasSeenOwn: () => false }, clock)).toBe('behind');
    expect(judge({ ...answer, replica: { ...itself, link: undefined } }, stranger, clock)).toBe('no-link');
    expect(judge({ ...answer, replica: { ...itself, isStandby: false } }, stranger, clock)).toBe('promoted');
    expect(judge({ ...answer, replica: { ...itself, renewedAtMs: Number.NaN } }, stranger, clock)).toBe(
      'behind',
    );
    // Both addresses lead to the primary.
    const promoted = { ...answer, clockId: 'pg:1:2', replica: { ...itself, isStandby: false } };
    expect(judge(promoted, known('pg:1:2'), clock)).toMatchObject({ clockId: 'pg:1:2' });
    const set = answerOf({ ...QUIET, setBy: 5_000 });
    expect(judge(set.answer, stranger, set.clock)).toBe('set-clock');
  });
});
