import { getEventListeners } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import { Subject } from 'rxjs';
import { hangBell, retryPauseMs } from '../../src/event-store/postgres/waiting.js';

const NEVER = new AbortController().signal;
/** Longer than any test may run: what waits this long in vain fails it. */
const FOREVER_MS = 2 ** 31 - 1;

describe('the bell', () => {
  it('wakes who waits', async () => {
    const hints = new Subject<void>();
    const bell = hangBell(hints);
    const waiting = bell.wait(FOREVER_MS, NEVER);
    hints.next();
    await waiting;
  });

  it('remembers a ring that came before the wait', async () => {
    const hints = new Subject<void>();
    const bell = hangBell(hints);
    bell.reset();
    hints.next();
    await bell.wait(FOREVER_MS, NEVER);
  });

  it('forgets rings when it is reset, and wakes by itself in time', async () => {
    const hints = new Subject<void>();
    const bell = hangBell(hints);
    hints.next();
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
    const bell = hangBell(new Subject());
    const waiting = bell.wait(FOREVER_MS, stop.signal);
    stop.abort();
    await waiting;
    await bell.wait(FOREVER_MS, stop.signal);
  });

  it('leaves nothing behind, with the signal or with the hints', async () => {
    const { signal } = new AbortController();
    const hints = new Subject<void>();
    const bell = hangBell(hints);
    await bell.wait(1, signal);
    const waiting = bell.wait(FOREVER_MS, signal);
    hints.next();
    await waiting;
    await bell.wait(FOREVER_MS, signal);

    bell.remove();

    expect(getEventListeners(signal, 'abort')).toEqual([]);
    expect(hints.observed).toBe(false);
  });

  it('still wakes in time when no more hints will come', async () => {
    const hints = new Subject<void>();
    const bell = hangBell(hints);
    hints.complete();
    await bell.wait(5, NEVER);
  });
});

describe('the pause after a failure', () => {
  it('doubles from 100 ms to 5 s', () => {
    const failures = [1, 2, 3, 4, 5, 6, 7, 8, 2_000];
    expect(failures.map(retryPauseMs)).toEqual([100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
  });
});
