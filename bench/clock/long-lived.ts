/**
 * Long-lived processes: a day of thousands of signatures between one init and the next restart.
 *
 * Each process has three connectors of Bybit and three of BingX, initialises them once, and then signs requests of its
 * own, one after the other: most with `timestampSafe()`, some with `timestamp()`. Half of the processes send a request
 * through the connector now and then, whose answer is sampled; the others never do. A request that is refused is told
 * with `timestampRefused()` and signed once more.
 *
 * The hosts drift by ±49 ppm (the database's clock, by 1 ppm at most, makes that the assumed bound), are suspended six
 * times a day for up to two hours, or have their wall clocks set. Steps, failover and network are those of world.ts.
 *
 * A refusal is the step's where what was signed by was measured before the exchange's clock stepped, and nobody's where the
 * machine slept over a request that was signed and not yet sent. A machine that comes back with both of its clocks from
 * before, to be set right a moment later, knows nothing of its sleep until then, and no program on it can: what it signs in
 * that moment is counted apart (`unseenSuspends`).
 */

import { isConnectorStateError } from '../../src/base/errors.js';
import type { ConnectorRef } from '../../src/events/connector.js';
import { SimulatedDatabase } from './ours/database.js';
import { hostTimers } from './ours/host-timers.js';
import { type SimulatedConnector, SimulatedProcess } from './ours/process.js';
import { type Dice, diceOf } from './world/dice.js';
import type { SimulatedExchange } from './world/exchange.js';
import { Host, processClock } from './world/host.js';
import { DAY_MS, HOUR_MS, SteadyClock, type Step } from './world/true-clock.js';
import { VirtualTime } from './world/virtual-time.js';
import { Weather } from './world/weather.js';
import { catchUps, createWorld, pathsOf, type World, wallSteps } from './world/world.js';

export interface LongLivedFigures {
  readonly processes: number;
  readonly hours: number;
  readonly signed: number;
  /** All refusals for the timestamp. */
  readonly refused: number;
  /** No step of the exchange's clock, no sleep over a signed request, no suspend that nobody can see. */
  readonly refusedWithoutStep: number;
  /** The most that one process met after one step. */
  readonly refusedPerStepAndProcess: number;
  readonly sleptOverRequest: number;
  readonly unseenSuspends: number;
  /** `now()` did not hold the truth, where it is promised. */
  readonly boundViolations: number;
  /** `timestamp()` threw CLOCK_UNCERTAIN; the request was signed with `timestampSafe()` then. */
  readonly uncertain: number;
  /** So did `timestampSafe()`: nobody could be asked. */
  readonly unsigned: number;
  /** Inits that failed; a process begins with six. */
  readonly failedInits: number;
  /** To the exchanges' time endpoints, and to the database, for each process. */
  readonly syncsPerProcess: number;
  readonly lookupsPerProcess: number;
}

export interface LongLivedOptions {
  readonly seed: number;
  readonly processes: number;
  /** For each process. */
  readonly requests: number;
}

const PPM = 49;
const SUSPENDS = 6;
const CONNECTORS = 3;
const MEAN_SAMPLED_EVERY = 40;
const BARE_SHARE = 0.3;
const KINDS = ['fast', 'slow', 'suspended', 'suspended', 'suspended-both-clocks', 'stepped'] as const;
type Kind = (typeof KINDS)[number];

interface LongLivedHost {
  readonly host: Host;
  /** True time spans in which the machine has slept and both its clocks are of before. */
  readonly unseen: readonly { readonly fromMs: number; readonly toMs: number }[];
}

/** One connector of a process. */
interface Which {
  readonly ref: ConnectorRef;
  readonly exchange: SimulatedExchange;
}

type Counts = { -readonly [Name in keyof LongLivedFigures]: number };

export async function simulateLongLived(options: LongLivedOptions): Promise<LongLivedFigures> {
  const { seed, processes, requests } = options;
  const world = createWorld({ seed, days: 1 });
  const time = new VirtualTime(world.startMs);
  const database = new SimulatedDatabase(world.references, world.outage);
  const counts: Counts = {
    processes,
    hours: DAY_MS / HOUR_MS,
    signed: 0,
    refused: 0,
    refusedWithoutStep: 0,
    refusedPerStepAndProcess: 0,
    sleptOverRequest: 0,
    unseenSuspends: 0,
    boundViolations: 0,
    uncertain: 0,
    unsigned: 0,
    failedInits: 0,
    syncsPerProcess: 0,
    lookupsPerProcess: 0,
  };
  const running = Array.from({ length: processes }, (_, number) =>
    new LongLivedProcess({ world, time, database, number, seed, counts }).run(requests),
  );
  let failure: { readonly error: unknown } | undefined;
  for (const each of running) {
    each.catch(error => {
      failure ??= { error };
    });
  }
  await time.run();
  if (failure) throw failure.error;
  await Promise.all(running);
  counts.syncsPerProcess /= processes;
  counts.lookupsPerProcess /= processes;
  return counts;
}

interface Parts {
  readonly world: World;
  readonly time: VirtualTime;
  readonly database: SimulatedDatabase;
  readonly number: number;
  readonly seed: number;
  readonly counts: Counts;
}

/** Weathers of one process do not meet those of another. */
const WEATHERS = 1_000_000;

class LongLivedProcess {
  readonly #parts: Parts;
  readonly #dice: Dice;
  readonly #at: LongLivedHost;
  readonly #process: SimulatedProcess;
  readonly #refs: readonly Which[];
  readonly #perStep = new Map<string, number>();
  #weathers = 0;
  #warmUntilMs = Number.NEGATIVE_INFINITY;

  constructor(parts: Parts) {
    const { world, time, database, number, seed, counts } = parts;
    this.#parts = parts;
    this.#dice = diceOf(seed, `long-lived ${number}`);
    this.#at = longLivedHost(world, number, this.#dice);
    const { host } = this.#at;
    const clock = processClock(host, world.startMs, number, time.now);
    this.#process = new SimulatedProcess({
      time,
      database,
      place: { host, clock, isServerless: false },
      dice: this.#dice,
      clockPolicy: 'adaptive',
      timers: hostTimers(host, time),
      onLookup: () => counts.lookupsPerProcess++,
    });
    this.#refs = Array.from({ length: 2 * CONNECTORS }, (_, n) => {
      const exchange = world.exchanges[n % 2] as SimulatedExchange;
      const { exchange: name, environment } = exchange;
      const ref = { userId: `trader-${number}`, credentialId: `key-${n}`, exchange: name, environment };
      return { ref, exchange };
    });
  }

  async run(requests: number): Promise<void> {
    const { time, world } = this.#parts;
    const { host } = this.#at;
    for (const which of this.#refs) {
      await time.until(host.awakeAt(time.now() + this.#dice.exponential(2_000)));
      // As a program does that will not go on without.
      for (let tries = 0; !(await this.#initialise(which)) && tries < 5; tries++);
    }
    const gapMs = (world.endMs - time.now()) / requests;
    const isSampled = this.#parts.number % 2 === 0;
    while (time.now() < world.endMs) {
      await time.until(host.awakeAt(time.now() + this.#dice.exponential(gapMs)));
      const which = this.#dice.pick(this.#refs);
      await this.#request(which);
      if (isSampled && this.#dice.chance(1 / MEAN_SAMPLED_EVERY)) {
        await this.#connector(which).fundingRate('BTCUSDT');
      }
    }
    for (const which of this.#refs) this.#connector(which).close();
  }

  async #initialise(which: Which): Promise<boolean> {
    try {
      await this.#connector(which).initialize();
      return true;
    } catch {
      this.#parts.counts.failedInits++;
      return false;
    }
  }

  /** With weather of its own for what it sends from now on, in the background too. */
  #connector({ ref, exchange }: Which): SimulatedConnector {
    const { counts } = this.#parts;
    const weather = this.#weather(exchange);
    const connector = this.#process.connector(ref, exchange, weather);
    const watch = {
      signed() {},
      answered: ({ kind }: { readonly kind: string }) => {
        if (kind === 'time') counts.syncsPerProcess++;
      },
    };
    connector.place.line = { weather, watch, requests: 0 };
    return connector;
  }

  #weather(exchange: SimulatedExchange): Weather {
    const { seed, number } = this.#parts;
    return new Weather(seed, (number + 1) * WEATHERS + this.#weathers++, this.#at.host, exchange);
  }

  async #request(which: Which): Promise<void> {
    const { counts } = this.#parts;
    const connector = this.#connector(which);
    const isBare = this.#dice.chance(BARE_SHARE);
    for (let attempt = 0; attempt < 2; attempt++) {
      const timestampMs = await this.#sign(connector, isBare && attempt === 0);
      if (timestampMs === undefined) return;
      counts.signed++;
      this.#checkBound(connector, which.exchange);
      if (await this.#send(connector, which.exchange, timestampMs)) return;
      await connector.timestampRefused().catch(ignoreStateErrors);
    }
  }

  async #sign(connector: SimulatedConnector, isBare: boolean): Promise<number | undefined> {
    const { counts } = this.#parts;
    try {
      if (isBare) return connector.timestamp();
    } catch (error) {
      ignoreStateErrors(error);
      counts.uncertain++;
    }
    try {
      return await connector.timestampSafe();
    } catch (error) {
      ignoreStateErrors(error);
      counts.unsigned++;
      return undefined;
    }
  }

  /** @returns whether it was accepted */
  async #send(
    connector: SimulatedConnector,
    exchange: SimulatedExchange,
    timestampMs: number,
  ): Promise<boolean> {
    const { time } = this.#parts;
    const { host } = this.#at;
    const signedAtMs = time.now();
    const { setUpMs, upMs, processingMs, downMs } = this.#weather(exchange).trip(0);
    const isCold = signedAtMs >= this.#warmUntilMs;
    const sentAtMs = isCold ? host.awakeAt(signedAtMs + setUpMs) : signedAtMs;
    const arrivedAtMs = sentAtMs + upMs;
    const epoch = exchange.clock.epochAt(arrivedAtMs);
    const isAccepted = exchange.accepts(timestampMs, arrivedAtMs);
    if (!isAccepted) this.#refused(connector, exchange, epoch, signedAtMs, sentAtMs);
    await time.until(host.awakeAt(arrivedAtMs + processingMs + downMs));
    this.#warmUntilMs = time.now() + 60_000;
    return isAccepted;
  }

  #refused(
    connector: SimulatedConnector,
    exchange: SimulatedExchange,
    epoch: number,
    signedAtMs: number,
    sentAtMs: number,
  ): void {
    const { counts } = this.#parts;
    const { host } = this.#at;
    counts.refused++;
    const measuredAtMs = connector.lastSignedWith.estimate.atMs - REFERENCE_OFF_MS;
    if (host.frozeBetween(signedAtMs, sentAtMs)) counts.sleptOverRequest++;
    else if (this.#isUnseen(signedAtMs)) counts.unseenSuspends++;
    else if (exchange.clock.epochAt(measuredAtMs) === epoch) counts.refusedWithoutStep++;
    else {
      const step = `${exchange.index} ${epoch}`;
      const times = (this.#perStep.get(step) ?? 0) + 1;
      this.#perStep.set(step, times);
      counts.refusedPerStepAndProcess = Math.max(counts.refusedPerStepAndProcess, times);
    }
  }

  #isUnseen(trueMs: number): boolean {
    return this.#at.unseen.some(({ fromMs, toMs }) => trueMs >= fromMs && trueMs <= toMs);
  }

  #checkBound(connector: SimulatedConnector, exchange: SimulatedExchange): void {
    const { time, counts } = this.#parts;
    const nowMs = time.now();
    if (this.#isUnseen(nowMs) || !this.#isHeldToBound(connector, exchange)) return;
    const { earliestMs, latestMs } = connector.now();
    const truth = exchange.clock.read(nowMs);
    if (truth < earliestMs - ROUNDING_MS || truth > latestMs + ROUNDING_MS) counts.boundViolations++;
  }

  /** Not while the exchange's clock has stepped and what is signed by does not rest on samples from after it alone. */
  #isHeldToBound(
    connector: SimulatedConnector,
    { clock, exchange, environment }: SimulatedExchange,
  ): boolean {
    const { time, database } = this.#parts;
    const steppedAtMs = clock.steps.findLast(({ atMs }) => atMs <= time.now())?.atMs;
    if (steppedAtMs === undefined) return true;
    const { referenceClock, estimate } = connector.lastSignedWith;
    const epochSinceMs = database.epochSince(exchange, environment, referenceClock);
    return epochSinceMs > steppedAtMs - REFERENCE_OFF_MS && estimate.atMs >= epochSinceMs;
  }
}

/** The databases' clocks are off by less. */
const REFERENCE_OFF_MS = 20;
/** Rounding of doubles of the size of epoch milliseconds. */
const ROUNDING_MS = 0.001;

function ignoreStateErrors(error: unknown): void {
  if (!isConnectorStateError(error)) throw error;
}

function longLivedHost(world: World, number: number, dice: Dice): LongLivedHost {
  const kind: Kind = KINDS[number % KINDS.length] as Kind;
  const { startMs, endMs } = world;
  const ppm = kind === 'fast' ? PPM : kind === 'slow' ? -PPM : dice.between(-PPM, PPM);
  const oscillator = new SteadyClock(startMs, dice.between(-50, 50), ppm);
  const common = {
    name: `${kind}-${number}`,
    kind: 'free-running' as const,
    oscillator,
    ...pathsOf(dice, 8),
  };
  if (kind === 'stepped') {
    return { host: new Host({ ...common, wallSteps: wallSteps(startMs, endMs, dice) }), unseen: [] };
  }
  if (kind === 'fast' || kind === 'slow') return { host: new Host(common), unseen: [] };
  const freezes = Array.from({ length: SUSPENDS }, (_, n) => {
    const fromMs = startMs + ((n + dice.between(0.1, 0.5)) * (endMs - startMs)) / SUSPENDS;
    return { fromMs, toMs: fromMs + dice.logBetween(300, HOUR_MS) };
  });
  const steps: readonly Step[] = kind === 'suspended' ? [] : catchUps(freezes, dice);
  const unseen = steps
    .filter(({ byMs }) => byMs > 0)
    .map(({ atMs, byMs }) => {
      const thaw = freezes.find(({ fromMs, toMs }) => Math.abs(toMs - fromMs - byMs) < 1e-6);
      return { fromMs: thaw?.toMs ?? atMs, toMs: atMs };
    });
  return { host: new Host({ ...common, wallSteps: steps }, freezes), unseen };
}
