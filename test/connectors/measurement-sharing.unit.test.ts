/** Who shares whose measurement, with measurements that end when the test says. */
import { describe, expect, it } from '@jest/globals';
import { ConnectorStateError } from '../../src/base/errors.js';
import type { MeasuredOffset } from '../../src/cache/measurement.js';
import { MeasurementSharing } from '../../src/connectors/measurement-sharing.js';

const BYBIT = { exchange: 'BYBIT', environment: 'MAINNET' } as const;

/** Measurements in the order they began, each to be ended by hand. */
function givenMeasurements() {
  const begun: { succeed(): void; fail(error: Error): void }[] = [];
  const measure = () =>
    new Promise<MeasuredOffset>((resolve, reject) => {
      const syncId = String(begun.length);
      begun.push({ succeed: () => resolve({ syncId } as MeasuredOffset), fail: reject });
    });
  return { begun, measure };
}

const turn = () => new Promise(resolve => setImmediate(resolve));
const closed = () => new ConnectorStateError('CLOSED', 'closed');

describe('sharing a measurement', () => {
  it('gives all who come while it is under way its result, and who comes later another', async () => {
    const sharing = new MeasurementSharing();
    const { begun, measure } = givenMeasurements();
    const together = [1, 2, 3].map(() => sharing.measure(BYBIT, measure));
    begun[0]?.succeed();
    expect((await Promise.all(together)).map(({ syncId }) => syncId)).toEqual(['0', '0', '0']);

    const later = sharing.measure(BYBIT, measure);
    begun[1]?.succeed();
    expect(await later).toMatchObject({ syncId: '1' });
  });

  it('keeps exchanges and environments apart', () => {
    const sharing = new MeasurementSharing();
    const { begun, measure } = givenMeasurements();
    void sharing.measure(BYBIT, measure);
    void sharing.measure({ ...BYBIT, exchange: 'BINGX' }, measure);
    void sharing.measure({ ...BYBIT, environment: 'TESTNET' }, measure);
    expect(begun).toHaveLength(3);
  });

  it('does not give who was refused what began before the refusal, but what began after it', async () => {
    const sharing = new MeasurementSharing();
    const { begun, measure } = givenMeasurements();
    const before = sharing.measure(BYBIT, measure);
    const atRefusal = sharing.begun;
    const first = sharing.measure(BYBIT, measure, atRefusal);
    const second = sharing.measure(BYBIT, measure, atRefusal);
    expect(begun).toHaveLength(2);

    // The end of the earlier one is not the end of the later one.
    begun[0]?.succeed();
    await before;
    const joining = sharing.measure(BYBIT, measure);
    begun[1]?.succeed();

    expect((await Promise.all([first, second, joining])).map(({ syncId }) => syncId)).toEqual([
      '1',
      '1',
      '1',
    ]);
    expect(begun).toHaveLength(2);
  });

  it('shares a failure of the exchange', async () => {
    const sharing = new MeasurementSharing();
    const { begun, measure } = givenMeasurements();
    const both = [sharing.measure(BYBIT, measure), sharing.measure(BYBIT, measure)];
    const outcomes = Promise.allSettled(both);
    begun[0]?.fail(new Error('maintenance'));
    expect(await outcomes).toMatchObject([{ status: 'rejected' }, { status: 'rejected' }]);
    expect(begun).toHaveLength(1);
  });

  it('lets the next of those who wait measure, for all, when the one that measured was closed', async () => {
    const sharing = new MeasurementSharing();
    const { begun, measure } = givenMeasurements();
    const outcomes = Promise.allSettled([1, 2, 3, 4].map(() => sharing.measure(BYBIT, measure)));
    begun[0]?.fail(closed());
    await turn();
    expect(begun).toHaveLength(2);
    begun[1]?.fail(closed());
    await turn();
    expect(begun).toHaveLength(3);
    begun[2]?.succeed();

    const closedOne = { status: 'rejected', reason: { code: 'CLOSED' } };
    const served = { status: 'fulfilled', value: { syncId: '2' } };
    expect(await outcomes).toMatchObject([closedOne, closedOne, served, served]);
  });
});
