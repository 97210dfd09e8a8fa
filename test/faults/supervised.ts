/**
 * A process that is always there: when it ends it is started again at once, as a supervisor in production does. Being
 * killed is its fate; ending in any way of its own that was not foreseen is a finding, and kept.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { SpawnedNode } from '../support/run.js';

export interface SupervisedOptions {
  readonly name: string;
  readonly spawn: () => SpawnedNode;
  /** The line that says it is at work; default: being there is enough. */
  readonly ready?: RegExp;
  /** How it may end by itself. Default: not at all. */
  readonly exitCodes?: readonly number[];
  /** Asked before each start; default: there is always something to do. */
  readonly isNeeded?: () => Promise<boolean>;
}

const LOOK_AGAIN_MS = 10;

export class Supervised {
  readonly #options: SupervisedOptions;
  #current: SpawnedNode | undefined;
  #isAtWork = false;
  #isOver = false;
  readonly #supervision: Promise<void>;
  starts = 0;
  kills = 0;
  /** Ends of its own that were not foreseen, with what it said last. */
  readonly findings: string[] = [];

  constructor(options: SupervisedOptions) {
    this.#options = options;
    this.#supervision = this.#supervise();
  }

  get name(): string {
    return this.#options.name;
  }

  get isThere(): boolean {
    return this.#current !== undefined;
  }

  get isAtWork(): boolean {
    return this.#current !== undefined && this.#isAtWork;
  }

  /** Whatever it was doing. @returns false when there was nothing to kill */
  kill(): boolean {
    if (!this.#current?.process.kill('SIGKILL')) return false;
    this.kills += 1;
    this.#current = undefined;
    return true;
  }

  /** Asks it to end, and starts it no more. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    this.#isOver = true;
    this.#current?.process.kill(signal);
    await this.#supervision;
  }

  async #supervise(): Promise<void> {
    const { name, spawn, ready, exitCodes = [], isNeeded } = this.#options;
    while (!this.#isOver) {
      if (isNeeded && !(await isNeeded())) {
        await pause(LOOK_AGAIN_MS);
        continue;
      }
      if (this.#isOver) return;
      const spawned = spawn();
      this.starts += 1;
      this.#current = spawned;
      this.#isAtWork = ready === undefined;
      if (ready) {
        spawned.waitForLine(ready).then(
          () => {
            if (this.#current === spawned) this.#isAtWork = true;
          },
          () => undefined,
        );
      }
      const { code, signal, stdout, stderr } = await spawned.ended;
      const wasKilled = signal === 'SIGKILL' && this.#current !== spawned;
      if (this.#current === spawned) this.#current = undefined;
      const isForeseen = wasKilled || this.#isOver || (code !== null && exitCodes.includes(code));
      if (!isForeseen) this.findings.push(`${name} ended (${signal ?? code}): ${stdout}${stderr}`);
    }
  }
}
