/** What each file of benchmarks/ exports, and what it is given. */

import type { Finding } from './report.js';
import type { BenchServer } from './server.js';

export interface Bench {
  readonly server: BenchServer;
  readonly signal: AbortSignal;
  /** Sizes that show whether a benchmark runs, in seconds; its figures then say little. */
  readonly isQuick: boolean;
  /** Of the link to the database, for the benchmarks that put one between, milliseconds. */
  readonly rttMs: number;
  progress(text: string): void;
}

export interface Benchmark {
  readonly name: string;
  readonly title: string;
  run(bench: Bench): Promise<Finding>;
}
