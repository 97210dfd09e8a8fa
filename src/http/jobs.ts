/**
 * Work that takes longer than a request: begun by one, looked at by others. One at a time, for all of it rebuilds tables, and
 * remembered by this process only; what is lost with it is the report, never the work, which commits by itself or not at all.
 */
import { randomUUID } from 'node:crypto';
import { isConnectorStateError } from '../base/errors.js';
import type { Logger } from '../base/logging.js';
import { HttpProblem } from './problem.js';

export interface Job {
  readonly id: string;
  readonly kind: string;
  readonly by: string;
  readonly startedAtMs: number;
  readonly state: 'running' | 'done' | 'failed';
  readonly progress: { readonly done: number; readonly total: number } | null;
  readonly endedAtMs: number | null;
  readonly result: unknown;
  readonly error: { readonly code: string | null; readonly detail: string } | null;
}

const REMEMBERED = 50;

export type Report = (progress: { readonly done: number; readonly total: number }) => void;

export class Jobs {
  readonly #jobs = new Map<string, Job>();
  readonly #nowMs: () => number;
  readonly #log: Logger;
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;

  constructor(nowMs: () => number, log: Logger) {
    this.#nowMs = nowMs;
    this.#log = log;
  }

  /** @throws HttpProblem 409 while another runs */
  start(kind: string, by: string, work: (report: Report, signal: AbortSignal) => Promise<unknown>): Job {
    const running = [...this.#jobs.values()].find(({ state }) => state === 'running');
    if (running) {
      throw new HttpProblem(
        409,
        'VERSION_CONFLICT',
        `${running.kind} ${running.id} is under way: one at a time`,
      );
    }
    const id = randomUUID();
    const startedAtMs = Math.round(this.#nowMs());
    const job: Job = {
      ...{ id, kind, by, startedAtMs, state: 'running' },
      ...{ progress: null, endedAtMs: null, result: null, error: null },
    };
    this.#set(job);
    this.#log.info({ job: id, kind, by }, 'a job was begun');
    this.#running = work(progress => this.#change(id, { progress: { ...progress } }), this.#stop.signal)
      .then(result => this.#end(id, { state: 'done', result: result ?? null }))
      .catch((error: Error) => {
        const { code = null } = error as { code?: unknown };
        this.#log.error({ job: id, kind, by, code, error: error.message }, 'a job failed');
        this.#end(id, { state: 'failed', error: errorOf(error) });
      });
    return job;
  }

  get(id: string): Job | undefined {
    return this.#jobs.get(id);
  }

  /** The newest first. */
  list(): Job[] {
    return [...this.#jobs.values()].reverse();
  }

  /** What runs is told to stop, and has changed nothing then. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  #end(id: string, change: Partial<Job>): void {
    this.#change(id, { ...change, endedAtMs: Math.round(this.#nowMs()) });
    const { kind, by, state } = this.#jobs.get(id) as Job;
    if (state === 'done') this.#log.info({ job: id, kind, by }, 'a job is done');
  }

  #change(id: string, change: Partial<Job>): void {
    const job = this.#jobs.get(id);
    if (job) this.#jobs.set(id, { ...job, ...change });
  }

  #set(job: Job): void {
    this.#jobs.set(job.id, job);
    for (const oldest of this.#jobs.keys()) {
      if (this.#jobs.size <= REMEMBERED) return;
      this.#jobs.delete(oldest);
    }
  }
}

/** What is not ours may say anything: the log has it. */
const errorOf = (error: Error): NonNullable<Job['error']> =>
  isConnectorStateError(error)
    ? { code: error.code, detail: error.message }
    : { code: null, detail: 'it failed: the log of the service says how' };
