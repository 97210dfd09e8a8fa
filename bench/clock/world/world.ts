/**
 * The world of a run: exchanges, a database, machines, people. All of it follows from the seed.
 *
 * Which clocks keep the assumed bound (50 ppm, one against the other) is part of the world: exchanges stay within
 * 9 ppm, hosts within 40, but for the few that are made not to.
 */
import type { Environment, Exchange } from '../../../src/events/connector.js';
import { type Dice, diceOf, numberedDice } from './dice.js';
import { SimulatedExchange } from './exchange.js';
import { type Freeze, Host, type HostKind } from './host.js';
import { databasePath, internetPath } from './network.js';
import { DAY_MS, HOUR_MS, SteadyClock, type Step, type TrueClock, wanderingClock } from './true-clock.js';

export const WORLD_STARTS_MS = Date.UTC(2026, 0, 1);
/** The last session may outlast the days asked for. */
const MARGIN_MS = DAY_MS;

export interface WorldOptions {
  readonly seed: number;
  readonly days: number;
}

/** A database server's clock, and from when on it is the primary. */
export interface Reference {
  readonly id: string;
  readonly clock: TrueClock;
  readonly fromMs: number;
}

export interface World extends WorldOptions {
  readonly startMs: number;
  readonly endMs: number;
  readonly exchanges: readonly SimulatedExchange[];
  /** In the order in which they are primary. */
  readonly references: readonly Reference[];
  /** No database answers between the two. */
  readonly outage: Freeze;
  /** That live through the whole run. */
  readonly servers: readonly Host[];
  /** One that lives for a few inits. */
  container(number: number, bornAtMs: number): Host;
}

const EXCHANGE_LIMIT_PPM = 9;
const HOST_LIMIT_PPM = 40;

export function createWorld({ seed, days }: WorldOptions): World {
  const startMs = WORLD_STARTS_MS;
  const endMs = startMs + days * DAY_MS;
  const places: readonly (readonly [Exchange, Environment])[] = [
    ['BYBIT', 'MAINNET'],
    ['BINGX', 'MAINNET'],
    ['BYBIT', 'TESTNET'],
    ['BINGX', 'TESTNET'],
  ];
  const exchanges = places.map(([exchange, environment], index) => {
    const dice = diceOf(seed, `${exchange} ${environment}`);
    return new SimulatedExchange(index, exchange, environment, exchangeClock(startMs, endMs, dice));
  });
  const failoverMs = startMs + diceOf(seed, 'failover').between(0.3, 0.7) * (endMs - startMs);
  const outageMs = Math.min(45_000, (endMs - startMs) / 100);
  const references = [startMs, failoverMs + outageMs].map((fromMs, n) => ({
    id: `pg:7300000000000000001:${n + 1}`,
    clock: disciplinedClock(startMs, endMs, diceOf(seed, `database ${n}`)),
    fromMs,
  }));
  return {
    seed,
    days,
    startMs,
    endMs,
    exchanges,
    references,
    outage: { fromMs: failoverMs, toMs: failoverMs + outageMs },
    servers: FLEET.flatMap(([kind, count]) =>
      Array.from({ length: count }, (_, n) =>
        server(kind, n, startMs, endMs, diceOf(seed, `${kind} server ${n}`)),
      ),
    ),
    container: (number, bornAtMs) => container(number, bornAtMs, numberedDice(seed, CONTAINERS, number)),
  };
}

const FLEET: readonly (readonly [HostKind, number])[] = [
  ['disciplined', 20],
  ['free-running', 12],
  ['suspended', 8],
  ['stepped', 7],
  ['lying', 1],
];
/** Of the free-running servers. */
const BEYOND_THE_BOUND = 3;

const CONTAINERS = 1;

/** Each ten days: one step of 1 to 10 s that is taken back within hours, and one of 50 to 900 ms that stays. */
function exchangeClock(startMs: number, endMs: number, dice: Dice): TrueClock {
  const slots = Math.max(1, Math.round((endMs - startMs) / (10 * DAY_MS)));
  const slotMs = (endMs - startMs) / slots;
  const steps: (Step & { isHeld: true })[] = [];
  for (let slot = 0; slot < slots; slot++) {
    const fromMs = startMs + slot * slotMs;
    const small = {
      atMs: fromMs + dice.between(0.05, 0.3) * slotMs,
      byMs: dice.sign() * dice.logBetween(50, 900),
    };
    const large = {
      atMs: fromMs + dice.between(0.4, 0.6) * slotMs,
      byMs: dice.sign() * dice.logBetween(1_000, 10_000),
    };
    const backMs = large.atMs + Math.min(dice.between(0.5, 12) * HOUR_MS, 0.3 * slotMs);
    steps.push({ ...small, isHeld: true }, { ...large, isHeld: true });
    steps.push({ atMs: backMs, byMs: -large.byMs, isHeld: true });
  }
  return wanderingClock(
    {
      fromMs: startMs,
      toMs: endMs + MARGIN_MS,
      offsetMs: dice.between(-150, 150),
      ppm: 3 * dice.normal(),
      walkPpm: 0.3,
      limitPpm: EXCHANGE_LIMIT_PPM,
      disciplineMs: DAY_MS,
      steps,
    },
    dice,
  );
}

/** Network time, kept well. */
const disciplinedClock = (
  fromMs: number,
  toMs: number,
  dice: Dice,
  offsetMs = dice.between(-4, 4),
): TrueClock =>
  wanderingClock(
    {
      fromMs,
      toMs: toMs + MARGIN_MS,
      offsetMs,
      ppm: 0.3 * dice.normal(),
      walkPpm: 0.1,
      limitPpm: 1,
      disciplineMs: 2 * HOUR_MS,
    },
    dice,
  );

function freeRunningClock(fromMs: number, toMs: number, ppm: number, dice: Dice): TrueClock {
  const limitPpm = Math.max(HOST_LIMIT_PPM, Math.abs(ppm) + 5);
  return wanderingClock(
    { fromMs, toMs: toMs + MARGIN_MS, offsetMs: dice.between(-500, 500), ppm, walkPpm: 0.5, limitPpm },
    dice,
  );
}

/** Twice a day: pauses of a fraction of a second, naps, two hours with the lid closed. */
export function freezesOf(startMs: number, endMs: number, dice: Dice): Freeze[] {
  const freezes: Freeze[] = [];
  let at = startMs + dice.exponential(DAY_MS / 2);
  while (at < endMs) {
    const toMs = at + dice.logBetween(300, 2 * HOUR_MS);
    freezes.push({ fromMs: at, toMs });
    at = toMs + dice.exponential(DAY_MS / 2) + 60_000;
  }
  return freezes;
}

/** Half of the thaws come back with the wall clock of before, set right a moment later. */
export function catchUps(freezes: readonly Freeze[], dice: Dice): Step[] {
  return freezes.flatMap(({ fromMs, toMs }) => {
    if (dice.chance(0.5)) return [];
    const lostMs = toMs - fromMs;
    return [
      { atMs: toMs, byMs: -lostMs },
      { atMs: toMs + dice.between(20, 2_000), byMs: lostMs },
    ];
  });
}

export function wallSteps(startMs: number, endMs: number, dice: Dice): Step[] {
  const steps: Step[] = [];
  for (let at = startMs + dice.exponential(DAY_MS); at < endMs; at += dice.exponential(DAY_MS)) {
    steps.push({ atMs: at, byMs: dice.sign() * dice.logBetween(20, 60_000) });
  }
  return steps;
}

/** Runs fast and slow by turns, without ever running backwards. */
function brokenClock(dice: Dice): (trueMs: number) => number {
  const [periodMs, sizeMs] = [dice.between(7_000, 15_000), dice.between(900, 1_500)];
  return trueMs => sizeMs * Math.sin((2 * Math.PI * (trueMs % periodMs)) / periodMs);
}

export const pathsOf = (dice: Dice, furthestDatabaseMs: number) => ({
  databasePath: databasePath(dice, furthestDatabaseMs),
  // Mainnet and testnet of one exchange stand in the same place.
  exchangePaths: (() => {
    const [bybit, bingx] = [internetPath(dice), internetPath(dice)];
    return [bybit, bingx, bybit, bingx];
  })(),
});

function server(kind: HostKind, n: number, startMs: number, endMs: number, dice: Dice): Host {
  const name = `${kind}-${n}`;
  const paths = pathsOf(dice, 8);
  const common = { name, kind, ...paths };
  switch (kind) {
    case 'free-running': {
      const isBeyond = n < BEYOND_THE_BOUND;
      const ppm = isBeyond
        ? dice.sign() * dice.between(70, 200)
        : dice.between(-HOST_LIMIT_PPM, HOST_LIMIT_PPM);
      return new Host({ ...common, oscillator: freeRunningClock(startMs, endMs, ppm, dice) });
    }
    case 'suspended': {
      const freezes = freezesOf(startMs, endMs, dice);
      const oscillator = disciplinedClock(startMs, endMs, dice);
      return new Host({ ...common, oscillator, wallSteps: catchUps(freezes, dice) }, freezes);
    }
    case 'stepped': {
      const ppm = dice.between(-20, 20);
      const oscillator = freeRunningClock(startMs, endMs, ppm, dice);
      return new Host({ ...common, oscillator, wallSteps: wallSteps(startMs, endMs, dice) });
    }
    case 'lying':
      return new Host({
        ...common,
        oscillator: disciplinedClock(startMs, endMs, dice),
        lie: brokenClock(dice),
      });
    default:
      return new Host({ ...common, oscillator: disciplinedClock(startMs, endMs, dice) });
  }
}

/** One in five hundred runs beyond the bound; one in fifty is off by up to 1.5 s, the others by a few milliseconds. */
function container(number: number, bornAtMs: number, dice: Dice): Host {
  const ppm = dice.chance(1 / 500)
    ? dice.sign() * dice.between(60, 150)
    : Math.max(-HOST_LIMIT_PPM, Math.min(HOST_LIMIT_PPM, 10 * dice.normal()));
  const offsetMs = dice.chance(0.02) ? dice.between(-1_500, 1_500) : 5 * dice.normal();
  return new Host({
    name: `container-${number}`,
    kind: 'serverless',
    oscillator: new SteadyClock(bornAtMs, offsetMs, ppm),
    ...pathsOf(dice, 6),
  });
}
