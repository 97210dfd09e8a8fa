/**
 * A machine: an oscillator, freezes, and a wall clock that somebody may set.
 *
 * The monotonic clock follows the oscillator and stands while the machine is frozen. The wall clock goes on through
 * a freeze, because a battery or the hypervisor keeps it, and jumps where it is set. Where a thawed machine comes
 * back with the wall clock of before and is corrected a moment later, that is a step back at the thaw and one
 * forward after it.
 *
 * `lie` is what a broken machine adds to both, so that the one cannot be caught by the other.
 */
import type { HostClock } from '../../../src/clock/host-clock.js';
import type { Path } from './network.js';
import type { Step, TrueClock } from './true-clock.js';

export type HostKind = 'disciplined' | 'free-running' | 'suspended' | 'stepped' | 'lying' | 'serverless';

export interface Freeze {
  readonly fromMs: number;
  readonly toMs: number;
}

export interface Machine {
  readonly name: string;
  readonly kind: HostKind;
  readonly oscillator: TrueClock;
  readonly databasePath: Path;
  /** By exchange and environment, as `SimulatedExchange.index`. */
  readonly exchangePaths: readonly Path[];
  readonly wallSteps?: readonly Step[];
  readonly lie?: (trueMs: number) => number;
}

export class Host {
  readonly machine: Machine;
  readonly #freezes: Freeze[] = [];
  /** Frozen time until the end of each freeze. */
  readonly #frozenMs: number[] = [];
  readonly #steps: readonly Step[];
  readonly #steppedMs: readonly number[];

  constructor(machine: Machine, freezes: readonly Freeze[] = []) {
    this.machine = machine;
    this.#steps = machine.wallSteps ?? [];
    let sum = 0;
    this.#steppedMs = this.#steps.map(({ byMs }) => {
      sum += byMs;
      return sum;
    });
    for (const { fromMs, toMs } of freezes) this.freeze(fromMs, toMs);
  }

  /** In the order of time. */
  freeze(fromMs: number, toMs: number): void {
    this.#freezes.push({ fromMs, toMs });
    this.#frozenMs.push((this.#frozenMs.at(-1) ?? 0) + toMs - fromMs);
  }

  /** The monotonic clock; its zero means nothing. Not to be asked for while frozen. */
  monotonic(trueMs: number): number {
    const frozen = this.#frozenMs[lastAt(this.#freezes, trueMs, endOf)] ?? 0;
    return this.machine.oscillator.read(trueMs) - frozen + (this.machine.lie?.(trueMs) ?? 0);
  }

  wall(trueMs: number): number {
    const stepped = this.#steppedMs[lastAt(this.#steps, trueMs, startOf)] ?? 0;
    return this.machine.oscillator.read(trueMs) + stepped + (this.machine.lie?.(trueMs) ?? 0);
  }

  /** When something that reaches the machine then is noticed by a program on it. */
  awakeAt(trueMs: number): number {
    const freeze = this.#freezes[lastAt(this.#freezes, trueMs, beginOf)];
    return freeze && freeze.toMs > trueMs ? freeze.toMs : trueMs;
  }

  frozeBetween(fromMs: number, toMs: number): boolean {
    const freeze = this.#freezes[lastAt(this.#freezes, toMs, beginOf)];
    return freeze !== undefined && freeze.toMs > fromMs;
  }
}

/** A program's clock on a host, as `systemClock` makes it: the monotonic clock, anchored to the wall clock once. */
export function processClock(
  host: Host,
  startedAtMs: number,
  number: number,
  trueNow: () => number,
): HostClock {
  const anchor = host.wall(startedAtMs) - host.monotonic(startedAtMs);
  return {
    now: () => anchor + host.monotonic(trueNow()),
    wall: () => Math.floor(host.wall(trueNow())),
    id: `host:${host.machine.name}/${number}`,
  };
}

const startOf = ({ atMs }: Step) => atMs;
const beginOf = ({ fromMs }: Freeze) => fromMs;
const endOf = ({ toMs }: Freeze) => toMs;

/** Place of the last one that is not later; −1 for none. They are few, and the last is asked for most. */
function lastAt<T>(list: readonly T[], trueMs: number, timeOf: (item: T) => number): number {
  let place = list.length - 1;
  while (place >= 0 && timeOf(list[place] as T) > trueMs) place--;
  return place;
}
