/**
 * A run: one world, one traffic, and everybody who is compared, side by side.
 *
 * Each init is played by ours over the virtual network, and at its beginning by the other policies and estimators on
 * the same weather. Figures are counted as they come; of an init nothing is kept but a few numbers.
 *
 * A deployment knows nothing at all but once in its life, so first contacts are counted in deployments of their own
 * beside the fleet: an empty database and one function each, in the same world.
 */

import { Oracle } from './oracle.js';
import { SimulatedDatabase } from './ours/database.js';
import { Fleet } from './ours/fleet.js';
import { areSane } from './ours/verdict.js';
import { errorsOf, requestsAt } from './peers/estimators.js';
import { fixedQuarterHour, noCache, type Policy } from './peers/policies.js';
import { Tally } from './tally.js';
import type { Trace } from './trace.js';
import { diceOf } from './world/dice.js';
import { processClock } from './world/host.js';
import { type Init, Traffic } from './world/traffic.js';
import { VirtualTime } from './world/virtual-time.js';
import { Weather } from './world/weather.js';
import { createWorld, type World } from './world/world.js';

export interface SimulationOptions {
  readonly seed: number;
  readonly inits: number;
  readonly days: number;
  readonly onProgress?: (begun: number) => void;
  /** Looks closer at one init. */
  readonly trace?: Trace | undefined;
}

const PROGRESS_EVERY = 20_000;

export async function simulate(options: SimulationOptions): Promise<Tally> {
  const { seed, inits, days, onProgress, trace } = options;
  const world = createWorld({ seed, days });
  const time = new VirtualTime(world.startMs);
  const oracle = new Oracle();
  const database = new SimulatedDatabase(
    world.references,
    world.outage,
    trace && ((fact, by, atMs) => trace.recorded(world, fact, by, atMs)),
  );
  const fleet = new Fleet({ world, time, database, oracle, clockPolicy: 'adaptive' });
  const others: readonly Policy[] = [fixedQuarterHour(), noCache()];
  const tally = new Tally(
    world,
    inits,
    others.map(({ name }) => name),
  );

  const begin = (init: Init) => {
    const weather = new Weather(seed, init.number, init.place.host, init.exchange);
    const startMs = time.now();
    if (!init.place.host.machine.lie) {
      tally.peers(errorsOf(requestsAt(startMs, weather, init.exchange), init.exchange, init.place.host));
    }
    for (const policy of others)
      tally.played(policy.name, init, policy.play(init, weather, startMs), startMs);
    if (init.number % PROGRESS_EVERY === 0) onProgress?.(init.number);
    return fleet.run(init, weather).then(outcome => {
      tally.outcome(outcome);
      trace?.ended(world, outcome);
    });
  };
  let failure: { readonly error: unknown } | undefined;
  const guarded = (running: Promise<void>) => {
    running.catch(error => {
      failure ??= { error };
    });
  };
  new Traffic(world, time, inits, init => guarded(begin(init)));
  firstContacts(world, time, firstContactCount(inits), (init, fresh) => {
    const weather = new Weather(seed, init.number, init.place.host, init.exchange);
    const isSane = areSane(world, init, time.now());
    for (const policy of [fixedQuarterHour(), noCache()]) {
      tally.firstContact(policy.name, isSane, policy.play(init, weather, time.now()).requests);
    }
    guarded(
      fresh
        .run(init, weather)
        .then(({ requests }) => tally.firstContact('adaptive', isSane, requests.length)),
    );
  });
  await time.run();
  if (failure) throw failure.error;
  tally.end({
    timeRequests: fleet.timeRequests,
    events: database.events,
    invalidFacts: database.invalidFacts,
  });
  return tally;
}

const firstContactCount = (inits: number) => Math.max(200, Math.round(inits / 200));

/** Far from the numbers of the fleet's inits. */
const FIRST_NUMBER = 0x40000000;

function firstContacts(
  world: World,
  time: VirtualTime,
  count: number,
  begin: (init: Init, fresh: Fleet) => void,
): void {
  const dice = diceOf(world.seed, 'first contacts');
  for (let n = 0; n < count; n++) {
    const number = FIRST_NUMBER + n;
    const exchange = dice.pick(world.exchanges);
    time.at(dice.between(world.startMs, world.endMs), () => {
      const startMs = time.now();
      const host = world.container(number, startMs);
      const clock = processClock(host, startMs, 0, time.now);
      const { exchange: name, environment } = exchange;
      const ref = { userId: `newcomer-${n}`, credentialId: 'first', exchange: name, environment };
      const place = { host, clock, isServerless: true };
      const database = new SimulatedDatabase(world.references);
      const fresh = new Fleet({ world, time, database, oracle: new Oracle(), clockPolicy: 'adaptive' });
      begin({ number, ref, exchange, place, isFirst: true }, fresh);
    });
  }
}
