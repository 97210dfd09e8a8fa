/** What the demo asks of a worker process, and what it answers. */
import type { LogFormat, LogLevel } from '../../base/logging.js';

export interface WorkerTask {
  readonly cached: boolean;
  readonly concurrency: number;
  readonly databaseUrl: string;
  readonly bybitUrl: string;
  readonly bingxUrl: string;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
}

export interface WorkerResult {
  readonly totalMs: number;
  /** From the start of the process until its code was loaded. */
  readonly loadMs: number;
  readonly connectors: number;
  readonly hits: number;
  readonly misses: number;
  readonly authFailures: number;
  readonly failed: number;
  readonly failures: readonly string[];
  /** Facts that could not be stored. */
  readonly pending: number;
}
