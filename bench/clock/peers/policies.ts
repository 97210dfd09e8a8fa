/**
 * What an init costs without us: the document's fixed quarter of an hour, and no cache at all.
 *
 * `no-cache` measures before every init, as the document's "current architecture" does. `fixed-15min` is the
 * document's design: one row a connector, kept for 15 minutes by the container's clock, an offset relative to the
 * clock of whichever container measured it, a memory in front of the database, and on a refusal: invalidate, measure,
 * try again. Both take one sample as bybit-api does, and sign `Date.now() + offset`, without a bias.
 *
 * Their requests meet the same weather as ours. An init is played at once, at its beginning: its row can be read by
 * others as soon as it is written.
 */
import type { SimulatedExchange } from '../world/exchange.js';
import type { Init } from '../world/traffic.js';
import type { Weather } from '../world/weather.js';
import { bybitApi } from './estimators.js';

export interface Played {
  readonly refusals: number;
  /** Epoch of the exchange's clock that the first refused request's offset was of, where that is over. */
  readonly isRefusedAfterStep: boolean;
  readonly syncs: number;
  readonly isHit: boolean;
  /** Requests to the exchange. */
  readonly requests: number;
  /** Before ready, but for the verification itself. */
  readonly waitedMs: number;
}

export interface Policy {
  readonly name: string;
  play(init: Init, weather: Weather, startMs: number): Played;
}

interface Row {
  readonly offsetMs: number;
  /** By the wall clock of whoever wrote it. */
  readonly expiresAtMs: number;
  /** True time. */
  readonly writtenAtMs: number;
  /** Of the exchange's clock. */
  readonly epoch: number;
}

const FIFTEEN_MINUTES_MS = 15 * 60_000;

/** One init's way through its requests. */
class Walk {
  readonly exchange: SimulatedExchange;
  readonly #weather: Weather;
  readonly #init: Init;
  readonly startMs: number;
  atMs: number;
  requests = 0;
  syncs = 0;
  refusals = 0;
  isRefusedAfterStep = false;
  #verificationMs = 0;

  constructor(init: Init, weather: Weather, startMs: number) {
    this.exchange = init.exchange;
    this.#init = init;
    this.#weather = weather;
    this.startMs = startMs;
    this.atMs = startMs;
  }

  wallMs(): number {
    return Math.floor(this.#init.place.host.wall(this.atMs));
  }

  askDatabase(): void {
    const { upMs, processingMs, downMs } = this.#weather.query(0);
    this.atMs += upMs + processingMs + downMs;
  }

  sync(): Row {
    const startMs = this.atMs;
    const { setUpMs, upMs, processingMs, downMs } = this.#weather.trip(this.requests);
    const stampedAtMs = startMs + (this.requests === 0 ? setUpMs : 0) + upMs + processingMs;
    this.requests++;
    this.syncs++;
    this.atMs = stampedAtMs + downMs;
    const { serverTimeMs } = this.exchange.stamp(stampedAtMs);
    return {
      offsetMs: bybitApi({ serverTimeMs, startMs, endMs: this.atMs }, this.#init.place.host),
      expiresAtMs: this.wallMs() + FIFTEEN_MINUTES_MS,
      writtenAtMs: this.atMs,
      epoch: this.exchange.clock.epochAt(stampedAtMs),
    };
  }

  verify(row: Row): boolean {
    const timestampMs = this.wallMs() + row.offsetMs;
    const { setUpMs, upMs, processingMs, downMs } = this.#weather.trip(this.requests);
    const arrivesAtMs = this.atMs + (this.requests === 0 ? setUpMs : 0) + upMs;
    this.requests++;
    this.#verificationMs = arrivesAtMs + processingMs + downMs - this.atMs;
    this.atMs += this.#verificationMs;
    const isAccepted = this.exchange.accepts(timestampMs, arrivesAtMs);
    if (!isAccepted) {
      if (this.refusals === 0)
        this.isRefusedAfterStep = this.exchange.clock.epochAt(arrivesAtMs) !== row.epoch;
      this.refusals++;
    }
    return isAccepted;
  }

  played(isHit: boolean): Played {
    const { refusals, isRefusedAfterStep, syncs, requests } = this;
    const waitedMs = this.atMs - this.startMs - this.#verificationMs;
    return { refusals, isRefusedAfterStep, syncs, isHit, requests, waitedMs };
  }
}

export const noCache = (): Policy => ({
  name: 'no-cache',
  play(init, weather, startMs) {
    const walk = new Walk(init, weather, startMs);
    if (!walk.verify(walk.sync())) walk.verify(walk.sync());
    return walk.played(false);
  },
});

export function fixedQuarterHour(): Policy {
  const rows = new Map<string, Row>();
  return {
    name: 'fixed-15min',
    play(init, weather, startMs) {
      const walk = new Walk(init, weather, startMs);
      const key = `${init.ref.userId} ${init.ref.credentialId}`;
      walk.askDatabase();
      const found = rows.get(key);
      const isHit =
        found !== undefined && found.writtenAtMs <= walk.atMs && found.expiresAtMs > walk.wallMs();
      const row = isHit ? found : walk.sync();
      rows.set(key, row);
      if (!walk.verify(row)) {
        const fresh = walk.sync();
        rows.set(key, fresh);
        walk.verify(fresh);
      }
      return walk.played(isHit);
    },
  };
}
