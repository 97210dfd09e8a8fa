/**
 * An exchange's clock that drifts and steps, as measured by machines over paths of their own: with known truth, and the
 * same for the same seed.
 */
import { type ClockSample, estimateFromSample } from '../../src/clock/offset.js';
import type { EventData } from '../../src/events/catalogue.js';
import type { NewEvent } from '../../src/events/event.js';
import { seededRandom } from '../../src/exchanges/simulator/random.js';
import { synced } from './facts.js';

export interface DriftWorld {
  readonly fromMs: number;
  readonly toMs: number;
  /** Of the exchange minus the reference clock, at `fromMs`. */
  readonly offsetMs: number;
  readonly ratePpm: number;
  readonly steps: readonly { readonly atMs: number; readonly byMs: number }[];
  readonly machines: readonly {
    readonly host: string;
    readonly everyMs: number;
    /** Shortest way there and back. */
    readonly thereMs: number;
    readonly backMs: number;
  }[];
  readonly seed: number;
}

export interface Measured {
  readonly host: string;
  readonly atMs: number;
  readonly offsetMs: number;
  readonly uncertaintyMs: number;
  readonly roundTripMs: number;
}

export const truth = (world: DriftWorld, atMs: number): number =>
  world.offsetMs +
  ((atMs - world.fromMs) * world.ratePpm) / 1e6 +
  world.steps.reduce((sum, step) => sum + (atMs >= step.atMs ? step.byMs : 0), 0);

/** In the order of time. */
export function measure(world: DriftWorld): Measured[] {
  const random = seededRandom(world.seed);
  const queue = (meanMs: number) => -meanMs * Math.log(1 - random());
  const found = world.machines.flatMap(({ host, everyMs, thereMs, backMs }) => {
    const count = Math.floor((world.toMs - world.fromMs) / everyMs);
    return Array.from({ length: count }, (_, i): Measured => {
      const sentAtMs = world.fromMs + (i + random()) * everyMs;
      const stampedAtMs = sentAtMs + thereMs + queue(3);
      const receivedAtMs = Math.ceil(stampedAtMs + backMs + queue(3));
      const serverTimeMs = Math.floor(stampedAtMs + truth(world, stampedAtMs));
      const sample: ClockSample = { sentAtMs, receivedAtMs, serverTimeMs };
      const { offsetMs, uncertaintyMs } = estimateFromSample(sample);
      return { host, atMs: receivedAtMs, offsetMs, uncertaintyMs, roundTripMs: receivedAtMs - sentAtMs };
    });
  });
  return found.sort((a, b) => a.atMs - b.atMs);
}

export const eventOf = (
  { host, atMs, offsetMs, uncertaintyMs, roundTripMs }: Measured,
  given: Partial<EventData['ConnectorSynced']> = {},
): NewEvent => ({
  ...synced({
    measuredAt: atMs,
    offsetMs,
    uncertaintyMs,
    sampleOffsetMs: offsetMs,
    sampleUncertaintyMs: uncertaintyMs,
    roundTripMs,
    source: 'time-endpoint',
    ...given,
  }),
  host,
});
