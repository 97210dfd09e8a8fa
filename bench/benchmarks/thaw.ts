/** How soon the first request after a suspend is answered whose kept connections died in it. */
import type { Benchmark } from '../benchmark.js';
import type { Thaw, ThawTask } from '../programs/thaw.js';
import { runProgram } from '../run-program.js';
import { median, quantile } from '../statistics.js';

const ROUND_TRIPS_MS = [5, 50, 200];
const KEPT = 3;
/** Of its own round trip, and milliseconds over that. */
const LIMIT = { roundTrips: 2, ms: 50 };

export const thaw: Benchmark = {
  name: 'thaw',
  title: `Thaw: the first request after a suspend in which ${KEPT} kept connections died`,
  async run({ signal, isQuick, progress }) {
    const figures = [];
    for (const roundTripMs of ROUND_TRIPS_MS) {
      progress(`round trips of ${roundTripMs} ms`);
      const task: ThawTask = { rounds: isQuick ? 2 : 15, roundTripMs, kept: KEPT };
      const found = await runProgram<Thaw[]>('thaw', task, { signal });
      for (const { death, isNoticed, beforeMs, afterMs } of found) {
        const before = median(beforeMs);
        figures.push({
          name: `${roundTripMs} ms, ${death}, ${isNoticed ? 'noticed' : 'unnoticed'}, nine of ten within`,
          value: quantile(afterMs, 0.9),
          unit: 'ms' as const,
          peer: { name: 'before', value: before },
          ratio: quantile(afterMs, 0.9) / before,
          limit: {
            on: 'value' as const,
            kind: 'at most' as const,
            value: Math.round(LIMIT.roundTrips * before + LIMIT.ms),
          },
        });
      }
    }
    return {
      figures,
      notes: [
        `Wanted: ${LIMIT.roundTrips} × the round trip before the suspend + ${LIMIT.ms} ms. Over loopback opening a connection takes nothing; over TLS it`,
        'takes two round trips more, which are in neither figure.',
      ],
    };
  },
};
