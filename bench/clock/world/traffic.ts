/**
 * Who initialises connectors, when and where.
 *
 * People have books of two to six connectors and work in sessions: the book is restored one connector after the
 * other, and again every half minute or so for ten minutes. A third of the people are there from the beginning, the
 * others come during the first three quarters. Half of the sessions run on one of the long-lived servers; the
 * others on functions, where each init lands on a container that is warm by chance, or on a new one. A container
 * lives for a few inits, and most are frozen in between.
 */
import type { ConnectorRef } from '../../../src/events/connector.js';
import { type Dice, diceOf } from './dice.js';
import type { SimulatedExchange } from './exchange.js';
import { type Host, processClock } from './host.js';
import { DAY_MS } from './true-clock.js';
import type { VirtualTime } from './virtual-time.js';
import type { World } from './world.js';

/** One run of the program on a host: its monotonic clock is anchored anew. */
export interface ProcessPlace {
  readonly host: Host;
  readonly clock: ReturnType<typeof processClock>;
  /** Of a function: ends after a few inits. */
  readonly isServerless: boolean;
}

export interface Init {
  /** From 0, in the order of their beginnings. */
  readonly number: number;
  readonly ref: ConnectorRef;
  readonly exchange: SimulatedExchange;
  readonly place: ProcessPlace;
  /** The first of this connector. */
  readonly isFirst: boolean;
}

interface Connector {
  readonly ref: ConnectorRef;
  readonly exchange: SimulatedExchange;
  hasBegun: boolean;
}

interface Person {
  readonly connectors: readonly Connector[];
  readonly joinsAtMs: number;
}

interface Server {
  readonly host: Host;
  place: ProcessPlace;
  restartsAtMs: number;
}

interface Container {
  readonly place: ProcessPlace;
  readonly isFrozenBetween: boolean;
  left: number;
  /** When it last had something to do. */
  idleSinceMs: number;
}

const PEOPLE = 150;
const MEAN_ROUNDS = 12;
const MAX_ROUNDS = 60;
const MEAN_ROUND_GAP_MS = 40_000;
const MEAN_CONNECTOR_GAP_MS = 1_500;
const MIN_CONNECTOR_GAP_MS = 300;
const SERVERLESS_SHARE = 0.5;
const WARM_CONTAINERS = 40;
const MEAN_CONTAINER_INITS = 4;
const FROZEN_SHARE = 0.7;
/** A function's last work, such as storing what it recorded, is done by then. */
const FROZEN_AFTER_MS = 500;
const MEAN_UPTIME_MS = 2 * DAY_MS;

export class Traffic {
  readonly #world: World;
  readonly #time: VirtualTime;
  readonly #inits: number;
  readonly #begin: (init: Init) => void;
  readonly #dice: Dice;
  readonly #people: readonly Person[];
  readonly #servers: readonly Server[];
  readonly #containers: (Container | undefined)[] = Array.from({ length: WARM_CONTAINERS });
  readonly #meanSessionGapMs: number;
  #begun = 0;
  #bornContainers = 0;
  #startedProcesses = 0;

  /** @param begin is called for each init when it begins */
  constructor(world: World, time: VirtualTime, inits: number, begin: (init: Init) => void) {
    this.#world = world;
    this.#time = time;
    this.#inits = inits;
    this.#begin = begin;
    this.#dice = diceOf(world.seed, 'traffic');
    this.#people = people(world);
    this.#servers = world.servers.map(host => ({
      host,
      place: this.#start(host, false),
      restartsAtMs: world.startMs + this.#dice.exponential(MEAN_UPTIME_MS),
    }));
    const perSession = 4 * MEAN_ROUNDS;
    this.#meanSessionGapMs = (world.endMs - world.startMs) / (inits / perSession);
    time.at(world.startMs, () => this.#nextSession());
  }

  #nextSession(): void {
    if (this.#begun >= this.#inits) return;
    const now = this.#time.now();
    const person = this.#dice.pick(this.#people);
    if (person.joinsAtMs <= now) {
      const rounds = 1 + Math.min(MAX_ROUNDS, Math.floor(this.#dice.exponential(MEAN_ROUNDS - 0.5)));
      const server = this.#dice.chance(SERVERLESS_SHARE) ? undefined : this.#dice.pick(this.#servers);
      this.#round(person, server, rounds, 0);
    } else {
      // Nobody there yet: it is somebody else's turn at once, so that traffic is even over the days.
      this.#time.at(now, () => this.#nextSession());
      return;
    }
    this.#time.at(now + this.#dice.exponential(this.#meanSessionGapMs), () => this.#nextSession());
  }

  #round(person: Person, server: Server | undefined, rounds: number, place: number): void {
    if (this.#begun >= this.#inits) return;
    const connector = person.connectors[place];
    if (!connector) {
      if (rounds <= 1) return;
      const gapMs = this.#dice.exponential(MEAN_ROUND_GAP_MS);
      this.#time.at(this.#time.now() + gapMs, () => this.#round(person, server, rounds - 1, 0));
      return;
    }
    this.#beginInit(connector, server);
    const gapMs = MIN_CONNECTOR_GAP_MS + this.#dice.exponential(MEAN_CONNECTOR_GAP_MS);
    this.#time.at(this.#time.now() + gapMs, () => this.#round(person, server, rounds, place + 1));
  }

  #beginInit(connector: Connector, server: Server | undefined): void {
    const isAwake = server && server.host.awakeAt(this.#time.now()) <= this.#time.now();
    const place = server && isAwake ? this.#running(server) : this.#container();
    const { ref, exchange, hasBegun } = connector;
    connector.hasBegun = true;
    this.#begin({ number: this.#begun++, ref, exchange, place, isFirst: !hasBegun });
  }

  #running(server: Server): ProcessPlace {
    if (server.restartsAtMs <= this.#time.now()) {
      server.place = this.#start(server.host, false);
      server.restartsAtMs = this.#time.now() + this.#dice.exponential(MEAN_UPTIME_MS);
    }
    return server.place;
  }

  #container(): ProcessPlace {
    const now = this.#time.now();
    const slot = this.#dice.index(WARM_CONTAINERS);
    let container = this.#containers[slot];
    if (!container || container.left <= 0) {
      const host = this.#world.container(this.#bornContainers++, now);
      const left = 1 + Math.floor(this.#dice.exponential(MEAN_CONTAINER_INITS - 0.5));
      const isFrozenBetween = this.#dice.chance(FROZEN_SHARE);
      container = { place: this.#start(host, true), isFrozenBetween, left, idleSinceMs: now };
      this.#containers[slot] = container;
    } else if (container.isFrozenBetween && now > container.idleSinceMs + FROZEN_AFTER_MS) {
      container.place.host.freeze(container.idleSinceMs + FROZEN_AFTER_MS, now);
    }
    container.left--;
    // Nobody freezes a function that works; the longest init takes less than this.
    container.idleSinceMs = now + LONGEST_INIT_MS;
    return container.place;
  }

  #start(host: Host, isServerless: boolean): ProcessPlace {
    const clock = processClock(host, this.#time.now(), this.#startedProcesses++, this.#time.now);
    return { host, clock, isServerless };
  }
}

const LONGEST_INIT_MS = 20_000;

function people(world: World): Person[] {
  const dice = diceOf(world.seed, 'people');
  const lengthMs = world.endMs - world.startMs;
  return Array.from({ length: PEOPLE }, (_, n) => ({
    joinsAtMs: n % 3 === 0 ? world.startMs : world.startMs + dice.between(0, 0.75) * lengthMs,
    connectors: Array.from({ length: 2 + dice.index(5) }, (_, c) => {
      const isTestnet = dice.chance(0.15);
      const isBingx = dice.chance(0.45);
      const exchange = world.exchanges[(isTestnet ? 2 : 0) + (isBingx ? 1 : 0)] as SimulatedExchange;
      const ref: ConnectorRef = {
        userId: `user-${n}`,
        credentialId: `credential-${c}`,
        exchange: exchange.exchange,
        environment: exchange.environment,
      };
      return { ref, exchange, hasBegun: false };
    }),
  }));
}
