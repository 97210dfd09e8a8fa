/**
 * Bad days, each a small world of its own with the real code: what the big one (simulate.ts) has none of.
 *
 *   edge           the `Date` header comes from a machine that is up to 10 s off, and is set now and then
 *   storm          for ten minutes of each hour a third of the requests are 1 to 60 s late, on one leg or the other
 *   small-steps    the exchanges' clocks step by 5 to 500 ms, every twenty minutes
 *   wrong-answer   one host decides alone, and twice an hour one answer of the exchange is 30 s off
 *   hosts          two hosts of each exchange, whose clocks are 20 s apart, each in its scope
 *
 * Each day has three hours, in which every process initialises its connectors over and over. A condemnation is false where
 * the condemned sync, at its age, contained the truth. An init that failed for lateness is excused where the refused request
 * was judged later than the whole window (W + E) after it was signed: nothing takes that.
 */
import { DEFAULT_RANGE, requestWindow } from '../../src/clock/request-window.js';
import type { Fact } from '../../src/events/event.js';
import { ExchangeError } from '../../src/exchanges/exchange-adapter.js';
import type { Sent } from './ours/adapter.js';
import { SimulatedDatabase } from './ours/database.js';
import { SimulatedProcess } from './ours/process.js';
import { type Dice, diceOf } from './world/dice.js';
import { SimulatedExchange } from './world/exchange.js';
import { processClock } from './world/host.js';
import type { Trip } from './world/network.js';
import { HOUR_MS, type Step, wanderingClock } from './world/true-clock.js';
import { VirtualTime } from './world/virtual-time.js';
import { Weather } from './world/weather.js';
import { createWorld, type World } from './world/world.js';

export const BAD_DAYS = ['edge', 'storm', 'small-steps', 'wrong-answer', 'hosts'] as const;
export type BadDay = (typeof BAD_DAYS)[number];

export interface BadDayFigures {
  readonly world: BadDay;
  readonly inits: number;
  /** Inits that met a refusal for the timestamp. */
  readonly refused: number;
  readonly failed: number;
  /** Of these, late by more than a second, though no request by more than the window is wide. */
  readonly initsFailedByLateness: number;
  readonly falseCondemnations: number;
  /** First requests whose offset was off by more than its bound while no clock had stepped and no answer been wrong. */
  readonly boundViolations: number;
}

const HOURS = 3;
const MEAN_GAP_MS = 20_000;
const PROCESSES: Readonly<Record<BadDay, number>> = {
  edge: 4,
  storm: 4,
  'small-steps': 4,
  'wrong-answer': 1,
  hosts: 4,
};
const WINDOW_MS = DEFAULT_RANGE.recvWindowMs + DEFAULT_RANGE.earlyLimitMs;
/** A request that was judged sooner after it was signed was not late, whatever it was refused for. */
const LATE_MS = 1_000;
const ROUNDING_MS = 0.001;

/** How late a request may be that is signed by a clock known to ±10 ms, milliseconds. */
export const latenessAcceptedMs = (): number => requestWindow(DEFAULT_RANGE, 10).latenessMs;

export async function simulateBadDay(seed: number, name: BadDay): Promise<BadDayFigures> {
  const world = createWorld({ seed, days: 1 });
  const day = new Day(world, seed, name);
  return day.run();
}

class Day {
  readonly #world: World;
  readonly #seed: number;
  readonly #name: BadDay;
  readonly #time: VirtualTime;
  readonly #database: SimulatedDatabase;
  readonly #exchanges: readonly SimulatedExchange[];
  readonly #synced = new Map<string, Extract<Fact, { type: 'ConnectorSynced' }>['data']>();
  readonly #endMs: number;
  #weathers = 0;
  #inits = 0;
  #refused = 0;
  #failed = 0;
  #lateness = 0;
  #falseCondemnations = 0;
  #violations = 0;

  constructor(world: World, seed: number, name: BadDay) {
    this.#world = world;
    this.#seed = seed;
    this.#name = name;
    this.#time = new VirtualTime(world.startMs);
    this.#endMs = world.startMs + HOURS * HOUR_MS;
    this.#exchanges = exchangesOf(world, name, diceOf(seed, name));
    // One server that lives through the day.
    const [reference] = world.references;
    this.#database = new SimulatedDatabase(reference ? [reference] : [], undefined, (fact, _by, atMs) =>
      this.#recorded(fact, atMs),
    );
  }

  async run(): Promise<BadDayFigures> {
    let failure: { readonly error: unknown } | undefined;
    const running = Array.from({ length: PROCESSES[this.#name] }, (_, n) => this.#process(n));
    for (const each of running) {
      each.catch(error => {
        failure ??= { error };
      });
    }
    await this.#time.run();
    if (failure) throw failure.error;
    await Promise.all(running);
    return {
      world: this.#name,
      inits: this.#inits,
      refused: this.#refused,
      failed: this.#failed,
      initsFailedByLateness: this.#lateness,
      falseCondemnations: this.#falseCondemnations,
      boundViolations: this.#violations,
    };
  }

  async #process(number: number): Promise<void> {
    const time = this.#time;
    const host = this.#world.servers[number];
    if (!host) throw new Error('a process needs a server');
    const dice = diceOf(this.#seed, `${this.#name} process ${number}`);
    const place = { host, clock: processClock(host, time.now(), number, time.now), isServerless: false };
    const process = new SimulatedProcess({
      time,
      database: this.#database,
      place,
      dice,
      clockPolicy: 'adaptive',
    });
    while (time.now() < this.#endMs) {
      await time.until(time.now() + dice.exponential(MEAN_GAP_MS));
      const exchange = dice.pick(this.#exchanges);
      const { exchange: name, environment, index } = exchange;
      const scope = index < 2 ? 'first' : 'second';
      const ref = {
        userId: `user-${number}`,
        credentialId: `key-${index}`,
        exchange: name,
        environment,
        scope,
      };
      const weather = this.#weather(host, exchange, dice);
      const connector = process.connector(ref, exchange, weather);
      const requests: Sent[] = [];
      connector.place.line = {
        weather,
        requests: 0,
        watch: {
          signed: () => {
            if (requests.length > 0) return;
            const { estimate, nowMs } = process.behind(connector);
            const errorMs = estimate.offsetMs - (exchange.clock.read(time.now()) - nowMs);
            const isHeld = exchange.clock.steps.length === 0 && this.#name !== 'wrong-answer';
            if (isHeld && Math.abs(errorMs) > estimate.uncertaintyMs + ROUNDING_MS) this.#violations++;
          },
          answered: sent => requests.push(sent),
        },
      };
      await this.#init(connector, requests);
      process.flush();
    }
  }

  async #init(connector: { initialize(): Promise<unknown> }, requests: readonly Sent[]): Promise<void> {
    this.#inits++;
    try {
      await connector.initialize();
    } catch (error) {
      if (!(error instanceof ExchangeError)) throw error;
      this.#failed++;
      const latestMs = Math.max(...requests.filter(r => r.isRefused).map(r => r.stampedAtMs - r.askedAtMs));
      if (latestMs > LATE_MS && latestMs <= WINDOW_MS) this.#lateness++;
    }
    if (requests.some(({ isRefused }) => isRefused)) this.#refused++;
  }

  #weather(host: World['servers'][number], exchange: SimulatedExchange, dice: Dice): Weather {
    const weather = new Weather(this.#seed, ++this.#weathers, host, exchange);
    const isStormy = () => (this.#time.now() - this.#world.startMs) % HOUR_MS < HOUR_MS / 6;
    return this.#name === 'storm' ? new Storm(weather, dice, isStormy) : weather;
  }

  #recorded(fact: Fact, atMs: number): void {
    if (fact.type === 'ConnectorSynced') this.#synced.set(fact.data.syncId, fact.data);
    if (fact.type !== 'ConnectorStateInvalidated') return;
    const { condemnedSyncId, exchange, scope } = fact.data;
    const known = this.#synced.get(condemnedSyncId);
    const clock = this.#exchanges.find(
      each => each.exchange === exchange && (each.index < 2 ? 'first' : 'second') === scope,
    )?.clock;
    const [reference] = this.#world.references;
    if (!known || !clock || known.referenceClock !== reference?.id) return;
    const truth = clock.read(atMs) - reference.clock.read(atMs);
    const ageMs = reference.clock.read(atMs) - known.measuredAt;
    const boundMs = known.uncertaintyMs + (ageMs * (known.rateBoundPpm ?? 50)) / 1e6;
    const offsetMs = known.offsetMs + (ageMs * (known.ratePpm ?? 0)) / 1e6;
    if (Math.abs(offsetMs - truth) <= boundMs) this.#falseCondemnations++;
  }
}

/** The weather as it is, and for some minutes requests or answers that are held up. */
class Storm extends Weather {
  readonly #calm: Weather;
  readonly #dice: Dice;
  readonly #isStormy: () => boolean;

  constructor(calm: Weather, dice: Dice, isStormy: () => boolean) {
    super(0, 0, undefined as never, undefined as never);
    this.#calm = calm;
    this.#dice = dice;
    this.#isStormy = isStormy;
  }

  override trip(k: number): Trip {
    const trip = this.#calm.trip(k);
    if (!this.#isStormy() || !this.#dice.chance(1 / 3)) return trip;
    const lateMs = this.#dice.logBetween(1_000, 60_000);
    const isUp = this.#dice.chance(0.7);
    return { ...trip, upMs: trip.upMs + (isUp ? lateMs : 0), downMs: trip.downMs + (isUp ? 0 : lateMs) };
  }

  override query(k: number): Trip {
    return this.#calm.query(k);
  }
}

function exchangesOf(world: World, name: BadDay, dice: Dice): SimulatedExchange[] {
  const { startMs, endMs } = world;
  const count = name === 'hosts' ? 4 : 2;
  return Array.from({ length: count }, (_, index) => {
    const steps: Step[] = [];
    for (let atMs = startMs + HOUR_MS / 3; name === 'small-steps' && atMs < endMs; atMs += HOUR_MS / 3) {
      steps.push({ atMs, byMs: dice.sign() * dice.logBetween(5, 500) });
    }
    const clock = wanderingClock(
      {
        fromMs: startMs,
        toMs: endMs,
        offsetMs: (index < 2 ? 0 : 20_000) + dice.between(-150, 150),
        ppm: 3 * dice.normal(),
        walkPpm: 0.3,
        limitPpm: 9,
        steps,
      },
      dice,
    );
    const exchange = new SimulatedExchange(index, index % 2 === 0 ? 'BYBIT' : 'BINGX', 'MAINNET', clock);
    if (name === 'edge') exchange.edgeAheadMs = edge(dice, startMs, endMs);
    if (name === 'wrong-answer') exchange.toldAheadMs = singleWrongAnswers(dice, startMs, endMs);
    return exchange;
  });
}

/** Off by 0.4 to 10 s, drifting by 100 ppm, and set anew every half hour. */
function edge(dice: Dice, startMs: number, endMs: number): (trueMs: number) => number {
  const offsets: number[] = [];
  for (let at = startMs; at < endMs; at += HOUR_MS / 2)
    offsets.push(dice.sign() * dice.logBetween(400, 10_000));
  return trueMs => {
    const elapsedMs = trueMs - startMs;
    return (offsets[Math.floor(elapsedMs / (HOUR_MS / 2))] ?? 0) + (elapsedMs * 100) / 1e6;
  };
}

/** The first answer after each of some moments is 30 s off, and no other. */
function singleWrongAnswers(dice: Dice, startMs: number, endMs: number): (trueMs: number) => number {
  let nextMs = startMs + dice.exponential(HOUR_MS / 2);
  return trueMs => {
    if (trueMs < nextMs || trueMs > endMs) return 0;
    nextMs = trueMs + dice.exponential(HOUR_MS / 2);
    return dice.sign() * 30_000;
  };
}
