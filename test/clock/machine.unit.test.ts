import { expect, it } from '@jest/globals';
import { systemClock } from '../../src/clock/host-clock.js';
import { isOwnClock, machineOf } from '../../src/clock/machine.js';

it.each([
  ['host:ip-10-0-0-7/4711-lx3k2', 'ip-10-0-0-7'],
  ['host:ip-10-0-0-7/4712-lx3k9', 'ip-10-0-0-7'],
  ['test-host/1', 'test-host'],
  ['bare', 'bare'],
  ['', ''],
])('the machine of %s is %s, whatever the process', (host, machine) => {
  expect(machineOf(host)).toBe(machine);
});

it('sandboxes of functions, which have a link-local address each, are one', () => {
  expect(machineOf('host:169.254.10.245/8-a')).toBe('169.254.*');
  expect(machineOf('host:169.254.76.1/8-b')).toBe('169.254.*');
  expect(machineOf('host:169.25.4.1/8-b')).toBe('169.25.4.1');
});

it('tells a process’s own clock from a database’s', () => {
  expect(isOwnClock(systemClock.id)).toBe(true);
  expect(isOwnClock('pg:7400000000000000000:1')).toBe(false);
});
