/**
 * The history of drift over a year of samples: what a question costs from the hours, and what the same figures cost
 * from the samples, which is how it would grow with them.
 *
 *   DRIFT_SAMPLES=100000000 npm run bench -- drift     instead of 12 million; takes 40 GB for a while
 */
import { fileURLToPath } from 'node:url';
import { InvalidInputError } from '../../src/base/errors.js';
import type { Benchmark } from '../benchmark.js';
import { DAYS, fillDrift, MACHINES } from '../drift-samples.js';
import type { DriftAnswer, DriftTask } from '../programs/drift.js';
import { against, type Figure } from '../report.js';
import { runProgram, runScript } from '../run-program.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const RANGES = [
  { name: '6 h (samples)', agoMs: 6 * HOUR_MS },
  { name: '7 days (hours)', agoMs: 7 * DAY_MS },
  { name: '90 days (hours)', agoMs: 90 * DAY_MS },
] as const;

export const drift: Benchmark = {
  name: 'drift',
  title: `Drift: a year of samples by ${MACHINES} machines, one exchange of two`,
  run: ({ server, signal, isQuick, progress }) =>
    server.withDatabase('drift', async databaseUrl => {
      const filled = await fillDrift(databaseUrl, isQuick ? 200_000 : samplesWanted(), progress);
      const figures: Figure[] = [];
      const notes: string[] = [
        `${inWords(filled.samples)} samples (${inWords(filled.samplesMb)} MB) over ${DAYS} days, ${inWords(filled.hours)} hours (${inWords(filled.hoursMb)} MB).`,
      ];
      for (const { name, agoMs } of RANGES) {
        progress(name);
        const task: DriftTask = { databaseUrl, agoMs, rounds: isQuick ? 3 : 9 };
        const found = await runProgram<DriftAnswer>('drift', task, { signal });
        if (found.samples !== found.rawSamples) {
          throw new Error(
            `${name}: drift tells of ${found.samples} samples, and there are ${found.rawSamples}`,
          );
        }
        figures.push({
          name: `read and put together: ${name}`,
          value: found.ms,
          unit: 'ms',
          ...against('some of it from all samples', found.rawMs, found.ms),
        });
        notes.push(
          `${name}: ${inWords(found.rows)} rows for ${inWords(found.samples)} samples; ${found.partitions.join(', ')}, ${found.megabytesRead.toFixed(1)} MB of buffers looked at (from all samples: ${found.rawMegabytesRead.toFixed(0)} MB).`,
        );
      }
      progress('the command');
      const startedMs = performance.now();
      await runScript(MAIN, ['drift', '--exchange', 'BYBIT', '--since', '90d', '--json'], '', {
        signal,
        env: { DATABASE_URL: databaseUrl, LOG_LEVEL: 'error' },
      });
      figures.push({
        name: 'the command, a process, 90 days',
        value: performance.now() - startedMs,
        unit: 'ms',
      });
      notes.push(
        'The hours of a range are as many whatever the samples behind them: what is read from hours stays as it is with',
        'more samples, what is read from samples grows with them.',
      );
      return { figures, notes };
    }),
};

function samplesWanted(): number {
  const text = process.env.DRIFT_SAMPLES ?? '12000000';
  const samples = Number(text);
  if (Number.isSafeInteger(samples) && samples >= 1_000) return samples;
  throw new InvalidInputError(`DRIFT_SAMPLES must be a whole number from 1000, got ${text}`);
}

const inWords = (value: number) => Math.round(value).toLocaleString('en-US');
