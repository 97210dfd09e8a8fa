/**
 * All processes of one deployment over one database: begins inits and tells what came of each, held against the truth.
 */
import type { ClockPolicy } from '../../../src/clock/ttl.js';
import type { InitResult } from '../../../src/connectors/connector-with-cache.js';
import { ExchangeError } from '../../../src/exchanges/exchange-adapter.js';
import { newProcess, type Oracle, type ProcessResiduals } from '../oracle.js';
import { numberedDice } from '../world/dice.js';
import type { Init, ProcessPlace } from '../world/traffic.js';
import type { VirtualTime } from '../world/virtual-time.js';
import type { Weather } from '../world/weather.js';
import type { World } from '../world/world.js';
import type { Sent } from './adapter.js';
import type { SimulatedDatabase } from './database.js';
import { SimulatedProcess } from './process.js';
import { judgeBound, judgeRefusal, type Refusal, type Signing } from './verdict.js';

export interface Outcome {
  readonly init: Init;
  /** The first is the one that the init began with. */
  readonly signings: readonly Signing[];
  readonly requests: readonly Sent[];
  readonly refusals: readonly Refusal[];
  /** `undefined`: it failed. */
  readonly result: InitResult | undefined;
  readonly error: ExchangeError | undefined;
  readonly waitedMs: number;
}

export interface FleetParts {
  readonly world: World;
  readonly time: VirtualTime;
  readonly database: SimulatedDatabase;
  readonly clockPolicy: ClockPolicy;
  readonly oracle: Oracle;
}

const PROCESS = 4;

interface Running {
  readonly process: SimulatedProcess;
  readonly residuals: ProcessResiduals;
}

export class Fleet {
  readonly #parts: FleetParts;
  readonly #running = new WeakMap<ProcessPlace, Running>();
  #started = 0;
  #timeRequests = 0;

  constructor(parts: FleetParts) {
    this.#parts = parts;
  }

  /** To the time endpoint, whoever asked for them. */
  get timeRequests(): number {
    return this.#timeRequests;
  }

  async run(init: Init, weather: Weather): Promise<Outcome> {
    const { time, world, database, oracle } = this.#parts;
    const { exchange, place, ref } = init;
    const { process, residuals } = this.#at(place);
    const connector = process.connector(ref, exchange, weather);
    const startMs = time.now();
    const signings: Signing[] = [];
    const requests: Sent[] = [];
    const refusals: Refusal[] = [];
    connector.place.line = {
      weather,
      requests: 0,
      watch: {
        signed: () => {
          const used = process.behind(connector);
          const nowMs = time.now();
          const epoch = exchange.clock.epochAt(nowMs);
          signings.push({
            atMs: nowMs,
            with: used,
            errorMs: used.estimate.offsetMs - (exchange.clock.read(nowMs) - used.nowMs),
            uncertaintyMs: used.estimate.uncertaintyMs,
            verdict: judgeBound({ world, database, init, used, nowMs }),
            oracleErrorMs: oracle.error(residuals, exchange.index, epoch),
            oracleWithLinksErrorMs: oracle.errorWithLinks(residuals, exchange.index, epoch),
          });
        },
        answered: sent => {
          requests.push(sent);
          if (sent.kind === 'time') this.#timeRequests++;
          const { clock } = exchange;
          const epoch = clock.epochAt(sent.stampedAtMs);
          // A step on the way makes a sample of neither epoch.
          if (clock.epochAt(sent.sentAtMs) === clock.epochAt(sent.receivedAtMs)) {
            oracle.sampled(residuals, exchange.index, epoch, {
              low: sent.serverTimeMs - clock.read(sent.receivedAtMs),
              high: sent.serverTimeMs + sent.resolutionMs - clock.read(sent.sentAtMs),
            });
          }
          const signing = signings.at(-1);
          if (sent.isRefused && signing) refusals.push(judgeRefusal({ world, init, sent, signing }));
        },
      },
    };
    connector.isBusy = true;
    let result: InitResult | undefined;
    let error: ExchangeError | undefined;
    try {
      result = await connector.initialize();
    } catch (thrown) {
      if (!(thrown instanceof ExchangeError)) throw thrown;
      error = thrown;
    }
    connector.isBusy = false;
    process.flush();
    const verification = requests.findLast(({ kind }) => kind === 'signed');
    const verificationMs = verification ? verification.receivedAtMs - verification.askedAtMs : 0;
    const waitedMs = time.now() - startMs - verificationMs;
    return { init, signings, requests: [...requests], refusals, result, error, waitedMs };
  }

  #at(place: ProcessPlace): Running {
    let running = this.#running.get(place);
    if (!running) {
      const { world, oracle } = this.#parts;
      const residuals = newProcess();
      const process = new SimulatedProcess({
        ...this.#parts,
        place,
        dice: numberedDice(world.seed, PROCESS, this.#started++),
        onLookup: ({ sentAtMs, stampedAtMs, receivedAtMs, clockId }) => {
          const reference = world.references.find(({ id }) => id === clockId);
          if (!reference) return;
          const stamp = reference.clock.read(stampedAtMs);
          oracle.linked(residuals, clockId, {
            low: stamp - reference.clock.read(receivedAtMs),
            high: stamp - reference.clock.read(sentAtMs),
          });
        },
      });
      running = { process, residuals };
      this.#running.set(place, running);
    }
    return running;
  }
}
