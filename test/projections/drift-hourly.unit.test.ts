import { describe, expect, it } from '@jest/globals';
import { type DriftHourlyRow, driftHourly } from '../../projections/index.js';
import type { NewEvent } from '../../src/events/event.js';
import {
  authFailed,
  DATABASE_CLOCK,
  HOST_CLOCK,
  hit,
  id,
  MINUTE_MS,
  stored,
  synced,
} from '../support/facts.js';
import { plainFold } from '../support/plain-fold.js';

/** 2025-10-09T08:00:00Z */
const HOUR = 1_759_996_800_000;
const HOUR_MS = 60 * MINUTE_MS;

const from = (host: string, event: NewEvent): NewEvent => ({ ...event, host });
const rowsOf = (...events: NewEvent[]) => plainFold(driftHourly, stored(events));

describe('drift_hourly', () => {
  it('has a row for each hour, clock and machine, by the time of the measurement', () => {
    const rows = rowsOf(
      from('host:a/1-x', synced({ measuredAt: HOUR })),
      from('host:a/2-y', synced({ measuredAt: HOUR + HOUR_MS - 1 })),
      from('host:b/1-x', synced({ measuredAt: HOUR })),
      from('host:a/1-x', synced({ measuredAt: HOUR + HOUR_MS })),
      from('host:a/1-x', synced({ measuredAt: HOUR, exchange: 'BINGX' })),
      from('host:a/1-x', synced({ measuredAt: HOUR, environment: 'TESTNET' })),
      from('host:a/1-x', synced({ measuredAt: HOUR, referenceClock: HOST_CLOCK })),
      hit(),
      authFailed(),
    );

    expect(
      rows.map(row => [row.hour, row.exchange, row.environment, row.referenceClock, row.machine]),
    ).toEqual([
      [HOUR, 'BYBIT', 'MAINNET', DATABASE_CLOCK, 'a'],
      [HOUR, 'BYBIT', 'MAINNET', DATABASE_CLOCK, 'b'],
      [HOUR + HOUR_MS, 'BYBIT', 'MAINNET', DATABASE_CLOCK, 'a'],
      [HOUR, 'BINGX', 'MAINNET', DATABASE_CLOCK, 'a'],
      [HOUR, 'BYBIT', 'TESTNET', DATABASE_CLOCK, 'a'],
      [HOUR, 'BYBIT', 'MAINNET', HOST_CLOCK, 'a'],
    ]);
    expect(rows.map(row => row.samples)).toEqual([2, 1, 1, 1, 1, 1]);
  });

  it('sums up what each measurement showed by itself', () => {
    const rows = rowsOf(
      synced({
        measuredAt: HOUR,
        offsetMs: 100,
        uncertaintyMs: 5,
        sampleOffsetMs: 110,
        sampleUncertaintyMs: 40,
      }),
      synced({
        measuredAt: HOUR + 1,
        offsetMs: 100,
        uncertaintyMs: 5,
        sampleOffsetMs: 90,
        sampleUncertaintyMs: 30,
      }),
      synced({ measuredAt: HOUR + 2, offsetMs: 100, uncertaintyMs: 20 }),
    );

    expect(rows).toMatchObject([
      {
        samples: 3,
        minOffsetMs: 90,
        maxOffsetMs: 110,
        meanOffsetMs: 100,
        tightestUncertaintyMs: 20,
        steps: 0,
      },
    ]);
  });

  it('counts a measurement once that several connectors waited for, and none that was taken over', () => {
    const shared = { syncId: id(9), measuredAt: HOUR };
    const rows = rowsOf(
      synced(shared),
      synced({ ...shared, userId: 'another' }),
      synced({ ...shared, basis: 'exchange-clock', userId: 'a third' }),
    );

    expect(rows).toMatchObject([{ samples: 1 }]);
  });

  it('tells the steps of the clock', () => {
    const rows = rowsOf(
      synced({ measuredAt: HOUR, offsetMs: 100, uncertaintyMs: 10 }),
      synced({ measuredAt: HOUR + MINUTE_MS, offsetMs: -1_900, uncertaintyMs: 10 }),
    );

    expect(rows).toMatchObject([
      { steps: 1, stepMs: -2_000, stepAfter: HOUR, steppedAt: HOUR + MINUTE_MS, offsetMs: -1_900 },
    ]);
  });

  it('begins an hour anew when its row holds what no event can have put there', () => {
    const [event] = stored([synced({ measuredAt: HOUR, offsetMs: 7 })]);
    const [row] = rowsOf(synced({ measuredAt: HOUR }));
    if (!event || !row) throw new Error('no row');

    for (const nonsense of [{ weight: Number.NaN }, { knownAt: Number.POSITIVE_INFINITY }]) {
      const healed = driftHourly.evolve({ ...row, ...nonsense }, event) as DriftHourlyRow;
      expect(healed).toMatchObject({ samples: 1, offsetMs: 7, knownAt: HOUR });
    }
  });
});
