/**
 * How many appends of others pass somebody who must read before each attempt, in a stream they append to without end.
 * Played with a clock of its own and chance that repeats itself: a slow network costs nothing, a busy machine changes
 * nothing.
 */
import { describe, expect, it } from '@jest/globals';
import { giveWayMs, noteUse } from '../../src/event-store/eventstoredb/give-way.js';
import { tailOfNew } from '../../src/event-store/eventstoredb/stream-tail.js';

interface World {
  readonly writers: number;
  readonly roundTripMs: number;
  /** How much longer a message may take, as a share. */
  readonly jitter: number;
  /** Round trips from when the leader has taken an event until it can be read and is acknowledged. */
  readonly replication: number;
  readonly seed: number;
}

const APPENDS_OF_THE_READER = 30;

/** @returns how many versions of others each append of the reader let pass, and the others' appends a round trip */
function play({ writers, roundTripMs, jitter, replication, seed }: World) {
  const random = lcg(seed);
  const clock = createClock();
  const way = () => (roundTripMs / 2) * (1 + jitter * random());
  let [version, visible, stored] = [0, 0, 0];
  const passed: number[] = [];

  /** One append that names `at`: `done` hears whether it was taken, else where the stream is. */
  function append(at: number, done: (isTaken: boolean, version: number) => void): void {
    clock.in(way(), () => {
      const isTaken = at === version;
      if (isTaken) version += 1;
      const now = version;
      if (!isTaken) return clock.in(way(), () => done(false, now));
      clock.in(replication * roundTripMs, () => {
        visible = Math.max(visible, now);
        clock.in(way(), () => done(true, now));
      });
    });
  }

  function write(tail = tailOfNew()): void {
    noteUse(tail, clock.now());
    const sentMs = clock.now();
    append(tail.version, (isTaken, at) => {
      if (isTaken) stored += 1;
      else tail.contendedMs = clock.now();
      tail.version = at;
      clock.in(giveWayMs([tail], clock.now() - sentMs, clock.now()), () => write(tail));
    });
  }

  function read(since = version): void {
    clock.in(way(), () => {
      const seen = visible;
      clock.in(way(), () =>
        append(seen, (isTaken, at) => {
          if (!isTaken) return clock.in(random() * roundTripMs, () => read(since));
          passed.push(at - 1 - since);
          read(at);
        }),
      );
    });
  }

  for (let writer = 0; writer < writers; writer++) clock.in(way(), () => write());
  clock.in(50 * roundTripMs, read);
  clock.runUntil(() => passed.length === APPENDS_OF_THE_READER);
  return { passed, storedARoundTrip: (stored * roundTripMs) / clock.now() };
}

/** Events in the order of their times. */
function createClock() {
  let now = 0;
  const events: { readonly at: number; run(): void }[] = [];
  return {
    now: () => now,
    in(ms: number, run: () => void): void {
      const at = now + ms;
      const behind = events.findIndex(event => event.at > at);
      events.splice(behind < 0 ? events.length : behind, 0, { at, run });
    },
    runUntil(isOver: () => boolean): void {
      for (let steps = 0; !isOver(); steps++) {
        if (steps > 1_000_000) throw new Error('the reader did not come in');
        const event = events.shift() as (typeof events)[number];
        now = event.at;
        event.run();
      }
    },
  };
}

function lcg(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return state / 2 ** 32;
  };
}

const SEEDS = Array.from({ length: 10 }, (_, seed) => seed);
const WORLDS = [2, 3, 7].flatMap(writers =>
  [3, 30, 300, 3_000].flatMap(roundTripMs =>
    [0, 0.2, 1].map(replication => ({ writers, roundTripMs, replication })),
  ),
);

describe('giving way', () => {
  // At every 256th version, and contended for a second after a conflict, up to 250 passed at 3 ms and 3 700 at 3 s.
  it.each(WORLDS)(
    'lets one come in that has to read, whatever a round trip takes: $writers others, $roundTripMs ms, $replication of it to replicate',
    world => {
      const played = SEEDS.map(seed => play({ ...world, jitter: 0.3, seed }));

      expect(Math.max(...played.flatMap(({ passed }) => passed))).toBeLessThan(100);
      // One at a time comes to an append a round trip, and one that is replicated to half of it.
      expect(Math.min(...played.map(({ storedARoundTrip }) => storedARoundTrip))).toBeGreaterThan(0.45);
    },
  );
});
