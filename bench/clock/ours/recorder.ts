/**
 * The recorder's part in a simulation: keeps facts until they are flushed, a second after the first or when the init
 * is over, and then lets some tens of milliseconds pass before they are stored and projected. Until then nobody but
 * this process knows.
 *
 * The real one (src/cache/recorder.ts) waits for timers of this machine, and what it is for, keeping facts through
 * failures, is tested elsewhere. Hits change no decision and are only counted.
 */
import type { Recorder } from '../../../src/cache/recorder.js';
import type { Fact } from '../../../src/events/event.js';
import type { Dice } from '../world/dice.js';
import type { ProcessPlace } from '../world/traffic.js';
import type { VirtualTime } from '../world/virtual-time.js';
import type { SimulatedDatabase } from './database.js';

const FLUSH_INTERVAL_MS = 1_000;
const [STORED_AFTER_AT_LEAST_MS, STORED_AFTER_AT_MOST_MS] = [15, 60];
/** One in twenty takes longer. */
const SLOW_SHARE = 0.05;
const SLOW_MS = 400;
const RETRY_MS = 5_000;

type Pending = Parameters<SimulatedDatabase['append']>[0][number];

export interface RecorderParts {
  readonly time: VirtualTime;
  readonly database: SimulatedDatabase;
  readonly place: ProcessPlace;
  readonly dice: Dice;
}

export class SimulatedRecorder implements Pick<Recorder, 'record' | 'recordHit'> {
  readonly #parts: RecorderParts;
  #pending: Pending[] = [];
  #isTimerSet = false;

  constructor(parts: RecorderParts) {
    this.#parts = parts;
  }

  record(fact: Fact): ReturnType<Recorder['record']> {
    const { time, place } = this.#parts;
    const occurredAt = place.clock.wall();
    this.#pending.push({ fact, by: { host: place.clock.id, occurredAt } });
    if (!this.#isTimerSet) {
      this.#isTimerSet = true;
      time.at(place.host.awakeAt(time.now() + FLUSH_INTERVAL_MS), () => this.send());
    }
    return { fact, occurredAt, id: undefined };
  }

  recordHit(): void {}

  /** Nobody waits for the end. */
  send(): void {
    const { time, dice } = this.#parts;
    this.#isTimerSet = false;
    if (this.#pending.length === 0) return;
    const batch = this.#pending;
    this.#pending = [];
    const slowMs = dice.chance(SLOW_SHARE) ? dice.between(0, SLOW_MS) : 0;
    const storedAtMs = time.now() + dice.between(STORED_AFTER_AT_LEAST_MS, STORED_AFTER_AT_MOST_MS) + slowMs;
    this.#storeAt(storedAtMs, batch);
  }

  #storeAt(trueMs: number, batch: readonly Pending[]): void {
    const { time, database } = this.#parts;
    time.at(trueMs, () => {
      if (database.isDown(trueMs)) this.#storeAt(trueMs + RETRY_MS, batch);
      else database.append(batch, trueMs);
    });
  }
}
