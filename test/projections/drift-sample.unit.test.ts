import { expect, it } from '@jest/globals';
import { driftSample } from '../../projections/index.js';
import { authFailed, hit, id, stored, synced, T0 } from '../support/facts.js';
import { plainFold } from '../support/plain-fold.js';

it('keeps one row for every measurement, with who measured it', () => {
  const rows = plainFold(
    driftSample,
    stored([
      synced({ id: id(1), offsetMs: 10, measuredAt: T0 }),
      hit(),
      authFailed(),
      synced({ id: id(2), offsetMs: -3.5, measuredAt: T0 + 7, trigger: 'passive', samples: 1 }),
    ]),
  );

  expect(rows).toMatchObject([
    { eventId: id(1), sampledAt: T0, offsetMs: 10, host: 'test-host/1', cacheKey: 'user123_cred456' },
    { eventId: id(2), sampledAt: T0 + 7, offsetMs: -3.5, syncTrigger: 'passive', sampleCount: 1 },
  ]);
});

it('keeps none for a state that was taken over from the shared clock', () => {
  expect(plainFold(driftSample, stored([synced({ basis: 'exchange-clock' })]))).toEqual([]);
});

it('keeps one row for a measurement that several connectors waited for', () => {
  const shared = { syncId: id(9), measuredAt: T0 };
  const rows = plainFold(
    driftSample,
    stored([
      synced({ ...shared, id: id(1) }),
      synced({ ...shared, id: id(2), userId: 'another' }),
      synced({ id: id(3), measuredAt: T0 }),
    ]),
  );

  expect(rows).toHaveLength(2);
  expect(rows).toContainEqual(expect.objectContaining({ syncId: id(9), cacheKey: 'another_cred456' }));
});

it('keeps what the measurement showed by itself, and where its stamp came from', () => {
  const rows = plainFold(
    driftSample,
    stored([
      synced({
        offsetMs: 100,
        uncertaintyMs: 5,
        sampleOffsetMs: 130,
        sampleUncertaintyMs: 60,
        source: 'date-header',
      }),
    ]),
  );

  expect(rows).toMatchObject([{ offsetMs: 130, uncertaintyMs: 60, source: 'date-header' }]);
});

it('keeps what an older event knew, whose interval is whole or not there', () => {
  const rows = plainFold(
    driftSample,
    stored([
      synced({ measuredAt: T0, offsetMs: 100, uncertaintyMs: 5 }),
      synced({ measuredAt: T0 + 1, offsetMs: 100, uncertaintyMs: 5, sampleOffsetMs: 130 }),
    ]),
  );

  expect(rows).toMatchObject([
    { offsetMs: 100, uncertaintyMs: 5, source: '' },
    { offsetMs: 100, uncertaintyMs: 5, source: '' },
  ]);
});
