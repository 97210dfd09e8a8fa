import { expect, it } from '@jest/globals';
import { systemClock, systemClockOf } from '../../src/clock/host-clock.js';
import { witnessOf } from '../../src/clock/witness.js';

it('the processes of a machine that a setting names are one witness, and each a timeline of its own', () => {
  const clock = systemClockOf('node-7');

  expect(witnessOf(clock.id)).toBe('host:node-7');
  expect(clock.id.split('/')[1]).toBe(systemClock.id.split('/')[1]);
  expect(systemClockOf(undefined)).toBe(systemClock);
});
