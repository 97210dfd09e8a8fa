import { describe, expect, it } from '@jest/globals';
import { FUTURE_SLACK_MS, whyUnbelievable } from '../../projections/belief.js';
import { connectorStateCache, exchangeClock } from '../../projections/index.js';
import { EARLIEST_TIME_MS } from '../../src/events/catalogue.js';
import { CLEANUP_STREAM, hitsStreamOf, stateStreamOf } from '../../src/events/streams.js';
import {
  authFailed,
  cleaned,
  connector,
  HOST_CLOCK,
  hit,
  id,
  invalidated,
  MINUTE_MS,
  shadowed,
  stored,
  synced,
  syncFailed,
  T0,
} from '../support/facts.js';

const LATE = T0 + FUTURE_SLACK_MS + 1;
const DAY_MS = 86_400_000;
const only = (event: Parameters<typeof stored>[0][number]) => {
  const [known] = stored([event]);
  if (!known) throw new Error('one event');
  return known;
};

describe('an event as facts come about', () => {
  it.each([synced(), syncFailed(), hit(), authFailed(), invalidated(), shadowed(), cleaned()])(
    'is believed: $type',
    event => {
      expect(whyUnbelievable(only(event))).toBeUndefined();
    },
  );

  it.each([
    synced({ measuredAt: T0 + FUTURE_SLACK_MS }),
    synced({ measuredAt: EARLIEST_TIME_MS }),
    // A container whose clock is a year ahead, while the database was away.
    synced({ referenceClock: HOST_CLOCK, measuredAt: T0 + 365 * DAY_MS, occurredAt: T0 + 365 * DAY_MS }),
    hit({ firstAt: T0 + 365 * DAY_MS, lastAt: T0 + 365 * DAY_MS, occurredAt: T0 + 365 * DAY_MS }),
    // A day without the event store.
    hit({ count: 1_000_000_000, firstAt: T0 - DAY_MS, lastAt: T0 }),
  ])('is believed at the limits (%#)', event => {
    expect(whyUnbelievable(only(event))).toBeUndefined();
  });
});

describe('an event that cannot have come about', () => {
  it.each([
    ['stream', { ...synced(), stream: stateStreamOf({ ...connector, userId: 'somebody else' }) }],
    ['stream', { ...synced(), stream: hitsStreamOf(connector) }],
    ['stream', { ...hit(), stream: stateStreamOf(connector) }],
    ['stream', { ...invalidated(), stream: CLEANUP_STREAM }],
    ['stream', { ...cleaned(), stream: stateStreamOf(connector) }],
    ['measuredAt', synced({ measuredAt: LATE })],
    ['measuredAt', synced({ referenceClock: HOST_CLOCK, measuredAt: LATE })],
    ['condemnedMeasuredAt', invalidated({ condemnedMeasuredAt: LATE })],
    ['cutoff', cleaned({ cutoff: LATE })],
    ['lastAt', hit({ lastAt: LATE })],
    ['lastAt', hit({ firstAt: T0, lastAt: T0 - 1 })],
    ['count', hit({ count: 2_000_001 })],
    ['count', hit({ count: Number.MAX_SAFE_INTEGER, firstAt: T0 - DAY_MS })],
    ['ttlMs', synced({ ttlMs: DAY_MS + 1 })],
  ])('says what is wrong: %s (%#)', (name, event) => {
    expect(whyUnbelievable(only(event))).toMatch(new RegExp(`^${name}: `));
  });
});

describe('who calls a row corrupt', () => {
  const fold = (
    projection: typeof exchangeClock | typeof connectorStateCache,
    ...events: Parameters<typeof stored>[0]
  ) => {
    const fold = projection.evolve as (
      row: object | undefined,
      event: ReturnType<typeof only>,
    ) => object | undefined;
    return stored(events, T0 + MINUTE_MS).reduce<object | undefined>(
      (row, event) => fold(row, event),
      undefined,
    );
  };
  const good = synced({ syncId: id(1), offsetMs: 100, uncertaintyMs: 5 });
  const liar = synced({
    syncId: id(2),
    offsetMs: 30_000,
    uncertaintyMs: 5,
    trigger: 'corrupt',
    measuredAt: T0 + 1,
  });
  const friend = synced({
    syncId: id(3),
    offsetMs: 103,
    uncertaintyMs: 5,
    trigger: 'corrupt',
    measuredAt: T0 + 1,
  });

  it.each([exchangeClock, connectorStateCache])('and contradicts a good one is not folded', projection => {
    expect(() => fold(projection, good, liar)).toThrow('trigger');
  });

  it.each([exchangeClock, connectorStateCache])('and agrees with it is folded as anybody', projection => {
    expect(fold(projection, good, friend)).toMatchObject({ syncId: id(3) });
  });

  it('starts over where no event made the row', () => {
    const [clock, healed] = stored([good, liar], T0 + MINUTE_MS);
    if (!clock || !healed) throw new Error('two events');
    const before = exchangeClock.evolve(undefined, clock);
    for (const nonsense of [
      { timeOffset: Number.NaN },
      { measuredAt: T0 + DAY_MS },
      { ratePpm: Number.POSITIVE_INFINITY },
    ]) {
      const row = { ...before, ...nonsense } as Parameters<typeof exchangeClock.evolve>[0];
      expect(exchangeClock.evolve(row, healed)).toMatchObject({ timeOffset: 30_000, epoch: 2 });
    }
  });
});
