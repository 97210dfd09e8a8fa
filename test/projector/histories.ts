/**
 * Random histories: few connectors, few syncs and a few seconds in which everything happens, so that late
 * flushes, adoptions, condemnations, clean-ups and a credential on two exchanges meet all the time.
 */
import fc from 'fast-check';
import {
  AUTH_FAILURE_CLASSES,
  CONTACTS,
  INVALIDATION_REASONS,
  MISS_REASONS,
  REFUSALS,
  SAMPLE_SOURCES,
  SYNC_FAILURE_CLASSES,
  SYNC_TRIGGERS,
  TIERS,
} from '../../src/events/catalogue.js';
import type { NewEvent } from '../../src/events/event.js';
import {
  authFailed,
  cleaned,
  DATABASE_CLOCK,
  distrusted,
  HOST_CLOCK,
  hit,
  id,
  invalidated,
  shadowed,
  synced,
  syncFailed,
  T0,
} from '../support/facts.js';

const connectors = fc.constantFrom(
  { userId: 'a', credentialId: 'x', exchange: 'BYBIT', environment: 'MAINNET' } as const,
  { userId: 'a', credentialId: 'x', exchange: 'BINGX', environment: 'MAINNET' } as const,
  { userId: 'a_', credentialId: '%"\\{},ü', exchange: 'BYBIT', environment: 'MAINNET' } as const,
  { userId: 'b', credentialId: 'NULL', exchange: 'BYBIT', environment: 'TESTNET' } as const,
);
const moments = fc.integer({ min: 0, max: 12 }).map(seconds => T0 + seconds * 1_000);
/** Some samples lie in other months, and so in other partitions. */
const measuredAts = fc.oneof(
  { weight: 9, arbitrary: moments },
  { weight: 1, arbitrary: fc.integer({ min: T0, max: T0 + 1e10 }) },
);
const syncIds = fc.integer({ min: 1, max: 8 }).map(id);
const clocks = fc.constantFrom(DATABASE_CLOCK, DATABASE_CLOCK, 'pg:1:2', HOST_CLOCK);
const offsets = fc.oneof(
  fc.constantFrom(100, 110, 3_100, -0),
  fc.double({ min: -1e9, max: 1e9, noNaN: true }),
);
const widths = fc.oneof(fc.constantFrom(0, 5, 50), fc.double({ min: 0, max: 1e3, noNaN: true }));

const facts: fc.Arbitrary<NewEvent> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc
      .record({
        connector: connectors,
        syncId: syncIds,
        basis: fc.constantFrom('measured' as const, 'measured' as const, 'exchange-clock' as const),
        trigger: fc.constantFrom(...SYNC_TRIGGERS),
        offsetMs: offsets,
        uncertaintyMs: widths,
        roundTripMs: widths,
        samples: fc.nat({ max: 9 }),
        sampleOffsetMs: fc.option(offsets, { nil: undefined }),
        sampleUncertaintyMs: fc.option(widths, { nil: undefined }),
        source: fc.constantFrom(undefined, ...SAMPLE_SOURCES),
        referenceClock: clocks,
        measuredAt: measuredAts,
        ttlMs: fc.integer({ min: 1, max: 10_000 }),
      })
      .map(({ connector, ...rest }) => synced({ ...connector, ...rest })),
  },
  {
    weight: 4,
    arbitrary: fc
      .record({
        connector: connectors,
        tier: fc.constantFrom(...TIERS),
        count: fc.integer({ min: 1, max: 9 }),
        lastAt: moments,
      })
      .map(({ connector, ...rest }) => hit({ ...connector, ...rest })),
  },
  {
    weight: 4,
    arbitrary: fc
      .record({
        connector: connectors,
        reason: fc.constantFrom(...INVALIDATION_REASONS),
        condemnedSyncId: syncIds,
        condemnedMeasuredAt: moments,
        referenceClock: clocks,
      })
      .map(({ connector, ...rest }) => invalidated({ ...connector, ...rest })),
  },
  {
    weight: 2,
    arbitrary: fc
      .record({
        connector: connectors,
        contact: fc.constantFrom(...CONTACTS),
        tier: fc.constantFrom(undefined, ...TIERS),
        missReason: fc.constantFrom(undefined, ...MISS_REASONS),
        stale: fc.constantFrom(undefined, true as const),
        measured: fc.option(
          fc.record({ at: moments, offsetMs: offsets, uncertaintyMs: widths, roundTripMs: widths }),
          { nil: undefined },
        ),
        comparison: fc.option(fc.record({ errorMs: offsets, refusal: fc.constantFrom(...REFUSALS) }), {
          nil: undefined,
        }),
      })
      .map(({ connector, ...rest }) => shadowed({ ...connector, ...rest })),
  },
  {
    weight: 1,
    arbitrary: fc
      .record({
        exchange: fc.constantFrom('BYBIT' as const, 'BINGX' as const),
        host: fc.constantFrom('test-host', 'other'),
        login: fc.constantFrom(undefined, undefined, 'nobody'),
        since: fc.option(moments, { nil: undefined }),
        undo: fc.constantFrom(undefined, true as const),
        referenceClock: clocks,
      })
      .map(distrusted),
  },
  { weight: 2, arbitrary: moments.map(cutoff => cleaned({ cutoff })) },
  {
    weight: 1,
    arbitrary: fc
      .record({
        connector: connectors,
        trigger: fc.constantFrom(...SYNC_TRIGGERS),
        failureClass: fc.constantFrom(...SYNC_FAILURE_CLASSES),
      })
      .map(({ connector, ...rest }) => syncFailed({ ...connector, ...rest })),
  },
  {
    weight: 1,
    arbitrary: fc
      .record({ connector: connectors, failureClass: fc.constantFrom(...AUTH_FAILURE_CLASSES) })
      .map(({ connector, ...rest }) => authFailed({ ...connector, ...rest })),
  },
);

/** What is appended at one time. */
export const histories: fc.Arbitrary<NewEvent[][]> = fc.array(
  fc.array(facts, { minLength: 1, maxLength: 25, size: 'max' }),
  { minLength: 1, maxLength: 6, size: 'max' },
);
