import { describe, expect, it } from '@jest/globals';
import { createBackoff, createBell, sleep } from '../../src/event-store/postgres/waiting.js';

const NEVER = new AbortController().signal;
/** Longer than any test may run: what waits this long in vain fails it. */
const FOREVER_MS = 2 ** 31 - 1;

describe('the bell', () => {
  it('wakes who waits', async () => {
    const bell = createBell();
    const waiting = bell.wait(FOREVER_MS, NEVER);
    bell.ring();
    await waiting;
  });

  it('remembers a ring that came before the wait', async () => {
    const bell = createBell();
    bell.reset();
    bell.ring();
    await bell.wait(FOREVER_MS, NEVER);
  });

  it('forgets rings when it is reset, and wakes by itself in time', async () => {
    const bell = createBell();
    bell.ring();
    bell.reset();
    let isOver = false;
    const waiting = bell.wait(5, NEVER).then(() => {
      isOver = true;
    });
    await Promise.resolve();
    expect(isOver).toBe(false);
    await waiting;
  });

  it('lets go when the signal aborts, before or during', async () => {
    const stop = new AbortController();
    const bell = createBell();
    const waiting = bell.wait(FOREVER_MS, stop.signal);
    stop.abort();
    await waiting;
    await bell.wait(FOREVER_MS, stop.signal);
    await sleep(FOREVER_MS, stop.signal);
  });
});

describe('the backoff', () => {
  it('doubles from 100 ms to 5 s, and starts again after a reset', () => {
    const backoff = createBackoff();
    const pauses = Array.from({ length: 8 }, backoff.nextMs);
    backoff.reset();
    expect([...pauses, backoff.nextMs()]).toEqual([100, 200, 400, 800, 1600, 3200, 5000, 5000, 100]);
  });
});
