/** When the pages of people are told of news: each at moments of his own, all of them together only so often. */
import { describe, expect, it } from '@jest/globals';
import { createGathering, LONGEST_MS, MOST_A_SECOND } from '../../src/http/feed/gathering.js';
import type { FeedTimers } from '../../src/http/feed/timers.js';

/** A clock that the test moves. */
function clockByHand() {
  let nowMs = 0;
  const armed = new Set<{ readonly atMs: number; readonly fire: () => void }>();
  const timers: FeedTimers = {
    nowMs: () => nowMs,
    every: () => () => undefined,
    after(ms, fire) {
      const timer = { atMs: nowMs + ms, fire };
      armed.add(timer);
      return () => void armed.delete(timer);
    },
  };
  const goTo = async (untilMs: number) => {
    for (;;) {
      const [next] = [...armed].filter(({ atMs }) => atMs <= untilMs).sort((a, b) => a.atMs - b.atMs);
      if (!next) break;
      armed.delete(next);
      nowMs = next.atMs;
      next.fire();
      await new Promise(setImmediate);
    }
    nowMs = untilMs;
  };
  return { timers, armed, goTo, nowMs: () => nowMs };
}

const NEVER = new Promise<void>(() => undefined);
const GATHER_MS = 3_000;

/** Pages for whom there is news without end: when each is told of it. */
async function whenTold(pages: number, forMs: number) {
  const clock = clockByHand();
  const gathering = createGathering(clock.timers);
  const stop = new AbortController();
  const joined = Array.from({ length: pages }, (_, n) => gathering.join(GATHER_MS, n / pages));
  const told = joined.map(({ gather }) => {
    const moments: number[] = [];
    void (async () => {
      while (!stop.signal.aborted) {
        await gather(NEVER, stop.signal);
        moments.push(clock.nowMs());
      }
    })();
    return moments;
  });
  await new Promise(setImmediate);
  await clock.goTo(forMs);
  const moments = told.map(each => [...each]);
  stop.abort();
  return moments;
}

describe('pages that let news wait', () => {
  it.each([1, 10, 30])('are told as often as they say, while they are few: %i', async pages => {
    for (const moments of await whenTold(pages, 60_000)) {
      expect(moments).toHaveLength(60_000 / GATHER_MS);
      expect((moments[1] as number) - (moments[0] as number)).toBeCloseTo(GATHER_MS);
    }
  });

  it('are told less often the more they are, so that all together are told ten times a second', async () => {
    const told = await whenTold(80, 80_000);
    const all = told.flat().sort((a, b) => a - b);
    expect(all).toHaveLength(80 * MOST_A_SECOND);
    for (let second = 0; second < 80; second++) {
      const within = all.filter(at => at > second * 1_000 && at <= (second + 1) * 1_000);
      expect(Math.abs(within.length - MOST_A_SECOND)).toBeLessThanOrEqual(1);
    }
  });

  it('wait no longer than a heartbeat leaves them without a place, however many they are', async () => {
    for (const moments of await whenTold(500, 40_000)) expect(moments).toHaveLength(40_000 / LONGEST_MS);
  });

  it('are told at once when they could fall behind, or when they leave, and leave no timer', async () => {
    const { timers, armed } = clockByHand();
    const { gather } = createGathering(timers).join(GATHER_MS, 0);
    const stop = new AbortController();
    await gather(Promise.resolve(), stop.signal);
    const waiting = gather(NEVER, stop.signal);
    expect(armed.size).toBe(1);
    stop.abort();
    await waiting;
    await gather(NEVER, stop.signal);
    expect(armed.size).toBe(0);
  });

  it('make room for the others when they leave', async () => {
    const clock = clockByHand();
    const gathering = createGathering(clock.timers);
    const { gather } = gathering.join(GATHER_MS, 0);
    const others = Array.from({ length: 99 }, () => gathering.join(GATHER_MS));
    const wait = async () => {
      void gather(NEVER, new AbortController().signal);
      const [timer] = clock.armed;
      const waitMs = (timer?.atMs ?? 0) - clock.nowMs();
      clock.armed.clear();
      return waitMs;
    };
    expect(await wait()).toBeCloseTo(LONGEST_MS);
    for (const other of others) other.leave();
    expect(await wait()).toBeCloseTo(GATHER_MS);
  });
});
