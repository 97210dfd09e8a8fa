import { describe, expect, it } from '@jest/globals';
import { type ExchangeClockRow, exchangeClock } from '../../projections/index.js';
import type { NewEvent } from '../../src/events/event.js';
import { distrusted, HOST_CLOCK, id, invalidated, MINUTE_MS, stored, synced, T0 } from '../support/facts.js';
import { plainFold } from '../support/plain-fold.js';

const rowsAfter = (...events: NewEvent[]) => plainFold(exchangeClock, stored(events));
const rowAfter = (...events: NewEvent[]) => rowsAfter(...events)[0];
const of = (user: number) => ({ userId: `user${user}` });

describe('a host that an operator does not believe', () => {
  const from = (host: string, event: NewEvent): NewEvent => ({ ...event, host: `${host}/1` });
  const says = (host: string, atMs: number, offsetMs: number) =>
    from(host, synced({ offsetMs, uncertaintyMs: 20, measuredAt: T0 + atMs }));
  const agreed = () => [says('host:a', 0, 100), says('host:b', 1, 101)];

  it('is not heard from then on, neither what it measures nor what it was refused', () => {
    const begun = [...agreed(), distrusted({ host: 'b' })];
    const before = rowAfter(...begun);
    const refused = from('host:b', invalidated({ condemnedMeasuredAt: T0 + 1 }));
    const after = rowAfter(...begun, says('host:b', 2, 9_000), refused);

    expect(after).toEqual(before);
    expect(after).toMatchObject({
      timeOffset: expect.closeTo(100.5, 3),
      epoch: 1,
      isValid: true,
      contestedSince: null,
    });
  });

  it('contests nothing any more', () => {
    const contested = [...agreed(), says('host:b', 2, 9_000)];
    expect(rowAfter(...contested)).toMatchObject({ rivalHost: 'host:b' });
    expect(rowAfter(...contested, distrusted({ host: 'host:b' }))).toMatchObject({
      rivalHost: null,
      epoch: 1,
      isValid: true,
    });
  });

  it('is unbelieved through epochs, until that is undone', () => {
    const stepped = [says('host:a', 3, 3_100), says('host:c', 4, 3_100)];
    const events = [...agreed(), distrusted({ host: 'b' }), ...stepped, says('host:b', 5, 9_000)];
    expect(rowAfter(...events)).toMatchObject({ epoch: 2, rivalHost: null });

    const heard = rowAfter(...events, distrusted({ host: 'host:b', undo: true }), says('host:b', 6, 9_000));
    expect(heard).toMatchObject({ epoch: 2, rivalHost: 'host:b' });
    expect(heard?.memory).not.toContain('refused');
  });

  it('since a time voids what was measured from then on, by whomever, and is begun anew by another', () => {
    const void_ = [...agreed(), distrusted({ host: 'b', since: T0 + 1 })];
    expect(rowAfter(...void_)).toMatchObject({ isValid: false, epochStartedAt: T0 + 2 });
    expect(rowAfter(...void_, says('host:b', 5, 9_000))).toMatchObject({ isValid: false });
    expect(rowAfter(...void_, says('host:a', 5, 3_100))).toMatchObject({ isValid: true, epoch: 2 });
    // Nothing was measured since.
    expect(rowAfter(...agreed(), distrusted({ host: 'b', since: T0 + 2 }))).toMatchObject({ isValid: true });
  });

  it('leaves nothing of a clock that nobody else vouches for', () => {
    const lone = [says('host:b', 0, 9_000), distrusted({ host: 'b' })];
    expect(rowAfter(...lone)).toMatchObject({ isValid: false });
    expect(rowAfter(...lone, says('host:a', 1, 100))).toMatchObject({ isValid: true, timeOffset: 100 });
  });

  it('may be one of a login only', () => {
    const as = (login: string, events: NewEvent[]) => stored(events).map(event => ({ ...event, login }));
    const row = (login: string) =>
      plainFold(exchangeClock, [
        ...stored(agreed()),
        ...stored([distrusted({ host: 'b', login: 'batch' })], T0 + 5),
        ...as(login, [says('host:b', 2, 9_000)]),
      ])[0];
    expect(row('batch')).toMatchObject({ rivalHost: null });
    expect(row('functions')).toMatchObject({ rivalHost: 'functions/host:b' });
  });

  it('says nothing of a clock that nobody has measured', () => {
    expect(rowsAfter(distrusted())).toEqual([]);
  });
});

describe('the clock that connectors of one exchange share', () => {
  it('is what the first measurement says', () => {
    const row = rowAfter(synced({ syncId: id(1), offsetMs: 100, uncertaintyMs: 20, measuredAt: T0 }));

    expect(row).toMatchObject({
      exchange: 'BYBIT',
      environment: 'MAINNET',
      timeOffset: 100,
      uncertaintyMs: 20,
      syncId: id(1),
      measuredAt: T0,
      expiresAt: T0 + 15 * MINUTE_MS,
      isValid: true,
      epoch: 1,
      epochStartedAt: 0,
      sampleCount: 1,
    });
  });

  it('is tightened by what another connector measures', () => {
    const row = rowAfter(
      synced({ ...of(1), offsetMs: 100, uncertaintyMs: 20 }),
      synced({ ...of(2), offsetMs: 130, uncertaintyMs: 20 }),
    );

    // Together they allow 110 to 120; no sample vouches for less than half of its own uncertainty.
    expect(row).toMatchObject({ timeOffset: 115, uncertaintyMs: 10, sampleCount: 2, epoch: 1 });
  });

  it('begins a new epoch when two measurements exclude what was believed', () => {
    const first = synced({ offsetMs: 100, uncertaintyMs: 20 });
    const wrongOrStepped = synced({ offsetMs: 3_100, uncertaintyMs: 20, measuredAt: T0 + 1 });
    const again = synced({ offsetMs: 3_105, uncertaintyMs: 20, measuredAt: T0 + 2 });

    expect(rowAfter(first, wrongOrStepped)).toMatchObject({
      timeOffset: 100,
      epoch: 1,
      contestedSince: T0 + 1,
    });
    expect(rowAfter(first, wrongOrStepped, again)).toMatchObject({
      timeOffset: expect.closeTo(3_102.5, 3),
      epoch: 2,
      epochStartedAt: T0 + 1,
      contestedSince: null,
    });
  });

  it('goes on from its row as from what was in memory, a rival included', () => {
    const events = stored([
      synced({ offsetMs: 100, uncertaintyMs: 20 }),
      synced({ offsetMs: 3_100, uncertaintyMs: 20, measuredAt: T0 + 1, ttlMs: 20 * MINUTE_MS }),
      synced({ offsetMs: 3_105, uncertaintyMs: 20, measuredAt: T0 + 2 }),
    ]);
    let row: ExchangeClockRow | undefined;
    for (const event of events) row = exchangeClock.evolve(row && { ...row }, event);

    expect(row).toMatchObject({ epoch: 2, expiresAt: T0 + 1 + 20 * MINUTE_MS });
    expect([row]).toEqual(plainFold(exchangeClock, events));
  });

  it('is not confirmed by states that were taken over from it', () => {
    expect(rowsAfter(synced({ basis: 'exchange-clock' }))).toEqual([]);
    expect(rowAfter(synced(), synced({ basis: 'exchange-clock' }))).toMatchObject({ sampleCount: 1 });
  });

  it('is another for another exchange, environment or reference clock', () => {
    const rows = rowsAfter(
      synced(),
      synced({ exchange: 'BINGX' }),
      synced({ environment: 'TESTNET' }),
      synced({ referenceClock: HOST_CLOCK }),
    );

    expect(rows).toHaveLength(4);
  });
});

it('counts a measurement once, however many connectors report it', () => {
  const shared = { syncId: id(9), measuredAt: T0 };
  const once = plainFold(exchangeClock, stored([synced(shared)]));
  const thrice = plainFold(
    exchangeClock,
    stored([synced(shared), synced({ ...shared, userId: 'b' }), synced({ ...shared, userId: 'c' })]),
  );

  expect(thrice).toMatchObject([{ sampleCount: 1, timeOffset: once[0]?.timeOffset }]);
});

describe('a refusal for the timestamp', () => {
  const refused = [
    synced({ syncId: id(1), measuredAt: T0 }),
    invalidated({ condemnedSyncId: id(1), condemnedMeasuredAt: T0 }),
  ];

  it('ends the epoch, and what was measured before it cannot bring it back', () => {
    expect(rowAfter(...refused)).toMatchObject({ isValid: false, epoch: 1 });
    expect(rowAfter(...refused, synced({ syncId: id(2), measuredAt: T0 - 1 }))).toMatchObject({
      isValid: false,
    });
  });

  it('is over with the next measurement', () => {
    const row = rowAfter(...refused, synced({ syncId: id(2), measuredAt: T0 + 1, offsetMs: 3_000 }));

    expect(row).toMatchObject({ isValid: true, epoch: 2, timeOffset: 3_000, sampleCount: 1 });
  });

  it('of an older sync leaves a newer measurement alone (promise 4)', () => {
    const row = rowAfter(
      synced({ syncId: id(1), measuredAt: T0 }),
      synced({ syncId: id(2), measuredAt: T0 + 1 }),
      invalidated({ condemnedSyncId: id(1), condemnedMeasuredAt: T0 }),
    );

    expect(row).toMatchObject({ isValid: true, syncId: id(2) });
  });

  it('of a clock that nobody measured leaves no row', () => {
    expect(rowsAfter(invalidated())).toEqual([]);
  });
});

describe('a row that somebody wrote nonsense into (promise 9)', () => {
  const [first, next, corrupt] = stored([
    synced({ measuredAt: T0 }),
    synced({ measuredAt: T0 + 1, offsetMs: 50 }),
    synced({ measuredAt: T0 + 1, offsetMs: 50, trigger: 'corrupt' }),
  ]) as [never, never, never];
  const good = exchangeClock.evolve(undefined, first);

  it.each([{ timeOffset: Number.NaN }, { uncertaintyMs: -1 }, { measuredAt: Number.POSITIVE_INFINITY }])(
    'starts over with the next measurement: %p',
    nonsense => {
      const healed = exchangeClock.evolve({ ...(good as NonNullable<typeof good>), ...nonsense }, next);

      expect(healed).toMatchObject({ timeOffset: 50, measuredAt: T0 + 1, isValid: true, epoch: 2 });
    },
  );

  it('starts over when a lookup found it unbelievable, such as measured in the future', () => {
    const future = { ...(good as NonNullable<typeof good>), measuredAt: T0 * 2, timeOffset: 1e6 };

    expect(exchangeClock.evolve(future, corrupt)).toMatchObject({ timeOffset: 50, measuredAt: T0 + 1 });
  });
});
