import { describe, expect, it } from '@jest/globals';
import { cacheUsage } from '../../projections/index.js';
import { SYNC_TRIGGERS } from '../../src/events/catalogue.js';
import type { NewEvent } from '../../src/events/event.js';
import {
  authFailed,
  cleaned,
  hit,
  invalidated,
  requestLate,
  stored,
  synced,
  syncFailed,
  unreachable,
} from '../support/facts.js';
import { plainFold } from '../support/plain-fold.js';

const HOUR = Date.UTC(2025, 9, 9, 8);
const rowsAfter = (events: NewEvent[], recordedAt = HOUR + 1) =>
  plainFold(cacheUsage, stored(events, recordedAt));

it('counts hits by the tier that answered', () => {
  const rows = rowsAfter([
    hit({ tier: 'memory', count: 3 }),
    hit({ tier: 'postgres' }),
    hit({ tier: 'memory' }),
  ]);

  expect(rows).toMatchObject([
    { hour: HOUR, tier: 'memory', syncTrigger: '', failureClass: '', hits: 4, misses: 0 },
    { hour: HOUR, tier: 'postgres', hits: 1 },
  ]);
});

it('tells stale hits apart, which are hits too', () => {
  const rows = rowsAfter([
    hit({ count: 3 }),
    hit({ count: 2, stale: true }),
    hit({ tier: 'exchange-clock', stale: true }),
  ]);

  expect(rows).toMatchObject([
    { tier: 'postgres', hits: 5, staleHits: 2 },
    { tier: 'exchange-clock', hits: 1, staleHits: 1 },
  ]);
});

it("begins a new row with every hour of the store's clock", () => {
  const rows = rowsAfter([hit(), hit()], HOUR + 3_599_999);

  expect(rows.map(row => row.hour)).toEqual([HOUR, HOUR + 3_600_000]);
});

describe('a miss', () => {
  it.each(SYNC_TRIGGERS)(
    'is a sync, failed or not, that a lookup without a usable state caused: %s',
    trigger => {
      const isMiss = ['absent', 'expired', 'invalid', 'corrupt'].includes(trigger);

      expect(rowsAfter([synced({ trigger })])).toMatchObject([
        { syncTrigger: trigger, syncs: 1, misses: isMiss ? 1 : 0 },
      ]);
      expect(rowsAfter([syncFailed({ trigger, failureClass: 'network' })])).toMatchObject([
        { syncTrigger: trigger, failureClass: 'network', syncFailures: 1, syncs: 0, misses: isMiss ? 1 : 0 },
      ]);
    },
  );

  it('is not a state taken over from the shared clock', () => {
    expect(rowsAfter([synced({ basis: 'exchange-clock' })])).toEqual([]);
  });
});

it('counts refusals by class, and invalidations', () => {
  const rows = rowsAfter([
    authFailed({ failureClass: 'credentials' }),
    authFailed({ failureClass: 'timestamp' }),
    invalidated(),
    cleaned(),
  ]);

  expect(rows).toMatchObject([
    { failureClass: 'credentials', authFailures: 1 },
    { failureClass: 'timestamp', authFailures: 1 },
    { failureClass: '', invalidations: 1 },
  ]);
});

it('counts what came late or met nobody apart: the exchange refused neither', () => {
  const rows = rowsAfter([authFailed({ failureClass: 'timestamp' }), requestLate(), unreachable()]);

  expect(rows).toMatchObject([
    { failureClass: 'timestamp', authFailures: 1, lateRequests: 0, unreachable: 0 },
    { failureClass: 'late', authFailures: 0, lateRequests: 1, unreachable: 0 },
    { failureClass: 'unreachable', authFailures: 0, lateRequests: 0, unreachable: 1 },
  ]);
});

it('keeps exchanges and environments apart', () => {
  expect(rowsAfter([hit(), hit({ exchange: 'BINGX' }), hit({ environment: 'TESTNET' })])).toHaveLength(3);
});

it('keeps scopes and machines apart, and takes the processes of a machine together', () => {
  const by = (host: string, event: NewEvent) => ({ ...event, host });
  const rows = rowsAfter([
    by('node-1/7', hit({ scope: 'https://proxy.example' })),
    by('node-1/7', hit({ count: 2 })),
    by('node-1/8', hit({ count: 3 })),
    by('node-2/7', authFailed({ failureClass: 'timestamp' })),
  ]);

  expect(rows).toMatchObject([
    { scope: 'https://proxy.example', machine: 'node-1', hits: 1 },
    { scope: 'default', machine: 'node-1', hits: 5 },
    { scope: 'default', machine: 'node-2', hits: 0, authFailures: 1 },
  ]);
});
