/** What is counted of a run, and the figures that come of it. */
import type { Outcome } from './ours/fleet.js';
import { EXCUSES, type Excuse } from './ours/verdict.js';
import { PEERS, type Peer } from './peers/estimators.js';
import type { Played } from './peers/policies.js';
import { Sample } from './statistics.js';
import type { Init } from './world/traffic.js';
import type { World } from './world/world.js';

/** Rounding of doubles of the size of epoch milliseconds. */
const ROUNDING_MS = 0.001;

export const ESTIMATORS = ['ours', 'oracle', ...PEERS] as const;
export type Estimator = (typeof ESTIMATORS)[number] | 'oracle-with-links';

class PolicyCounts {
  inits = 0;
  refused = 0;
  refusedWithoutStep = 0;
  refusedByHost = 0;
  refusedAtFirstContact = 0;
  syncs = 0;
  hits = 0;
  failed = 0;
  stale = 0;
  readonly waitedMs = new Sample();
  /** By exchange and step. */
  readonly perStep = new Map<string, number>();
  readonly firstContacts = { sane: 0, saneOneTrip: 0, insane: 0, insaneTrips: 0 };

  /** @returns how many there are now */
  afterStep(exchange: number, epoch: number): number {
    const key = `${exchange} ${epoch}`;
    const count = (this.perStep.get(key) ?? 0) + 1;
    this.perStep.set(key, count);
    return count;
  }
}

export class Tally {
  readonly world: World;
  readonly errors: Readonly<Record<Estimator, Sample>>;
  readonly counts: ReadonlyMap<string, PolicyCounts>;
  readonly excused: Record<Excuse, number>;
  /** Of these, whose error was larger than the uncertainty. */
  readonly excusedBeyond: Record<Excuse, number>;
  boundViolations = 0;
  /** The first few, to be looked at. */
  readonly violations: Outcome[] = [];
  readonly unexplained: Outcome[] = [];
  /** Refused after a step that another had been refused after. */
  readonly repeated: Outcome[] = [];
  readonly failures: Outcome[] = [];
  readonly lying = { inits: 0, errorMs: new Sample() };
  /** Where no step lay between measuring and signing. */
  readonly withoutStep = new Sample();
  readonly uncertaintyMs = new Sample();
  /** Of ours, by what the first request was signed with. */
  readonly contacts = new Map<string, number>();
  /** Errors of ours and of the oracle, by exchange. */
  readonly byExchange = new Map<string, { readonly ours: Sample; readonly oracle: Sample }>();
  totals = { timeRequests: 0, events: 0, invalidFacts: 0 };
  readonly #inits: number;

  constructor(world: World, inits: number, others: readonly string[]) {
    this.world = world;
    this.#inits = inits;
    const names: readonly Estimator[] = [...ESTIMATORS, 'oracle-with-links'];
    this.errors = Object.fromEntries(names.map(name => [name, new Sample()])) as Record<Estimator, Sample>;
    this.counts = new Map(['adaptive', ...others].map(name => [name, new PolicyCounts()]));
    this.excused = Object.fromEntries(EXCUSES.map(name => [name, 0])) as Record<Excuse, number>;
    this.excusedBeyond = { ...this.excused };
  }

  get inits(): number {
    return this.#inits;
  }

  peers(errors: Readonly<Record<Peer, number>>): void {
    for (const name of PEERS) this.errors[name].add(Math.abs(errors[name]));
  }

  played(name: string, init: Init, played: Played, startMs: number): void {
    const counts = this.#of(name);
    counts.inits++;
    counts.syncs += played.syncs;
    if (played.isHit) counts.hits++;
    counts.waitedMs.add(played.waitedMs);
    if (played.refusals === 0) return;
    counts.refused++;
    if (played.refusals > 1) counts.failed++;
    if (init.place.host.machine.lie) counts.refusedByHost++;
    else if (played.isRefusedAfterStep) {
      counts.afterStep(init.exchange.index, init.exchange.clock.epochAt(startMs));
    } else counts.refusedWithoutStep++;
  }

  outcome(outcome: Outcome): void {
    const { init, signings, refusals, result, waitedMs } = outcome;
    const counts = this.#of('adaptive');
    counts.inits++;
    counts.waitedMs.add(waitedMs);
    if (result?.tier) counts.hits++;
    if (result?.isStale) counts.stale++;
    if (!result) {
      counts.failed++;
      keep(this.failures, outcome);
    }
    const contact = result
      ? [result.contact, result.tier ?? '', result.isStale ? 'stale' : ''].join(' ').trim()
      : 'failed';
    this.contacts.set(contact, (this.contacts.get(contact) ?? 0) + 1);
    if (refusals.length > 0) {
      counts.refused++;
      for (const { cause, epoch } of refusals.slice(0, 1)) {
        if (cause === 'exchange-step') {
          if (counts.afterStep(init.exchange.index, epoch) > 1) keep(this.repeated, outcome);
        } else if (cause === 'host') counts.refusedByHost++;
        else if (cause === 'first-contact') counts.refusedAtFirstContact++;
        else {
          counts.refusedWithoutStep++;
          keep(this.unexplained, outcome);
        }
      }
    }
    this.#bound(outcome);
    const [first] = signings;
    if (!first) return;
    const errorMs = Math.abs(first.errorMs);
    if (first.verdict === 'lying-host') {
      this.lying.inits++;
      this.lying.errorMs.add(errorMs);
      return;
    }
    this.errors.ours.add(errorMs);
    if (first.verdict === 'bound') {
      this.withoutStep.add(errorMs);
      this.uncertaintyMs.add(first.uncertaintyMs);
    }
    const ofExchange = this.#ofExchange(init);
    ofExchange.ours.add(errorMs);
    if (first.oracleErrorMs !== undefined) {
      this.errors.oracle.add(Math.abs(first.oracleErrorMs));
      ofExchange.oracle.add(Math.abs(first.oracleErrorMs));
    }
    if (first.oracleWithLinksErrorMs !== undefined) {
      this.errors['oracle-with-links'].add(Math.abs(first.oracleWithLinksErrorMs));
    }
  }

  firstContact(name: string, isSane: boolean, requests: number): void {
    const { firstContacts } = this.#of(name);
    if (isSane) {
      firstContacts.sane++;
      if (requests === 1) firstContacts.saneOneTrip++;
    } else {
      firstContacts.insane++;
      firstContacts.insaneTrips += requests;
    }
  }

  end(totals: Tally['totals']): void {
    this.totals = totals;
    this.#of('adaptive').syncs = totals.timeRequests;
  }

  #bound(outcome: Outcome): void {
    const held = outcome.signings.filter(({ verdict }) => verdict === 'bound');
    if (held.some(isBeyond)) {
      this.boundViolations++;
      keep(this.violations, outcome);
    }
    const [first] = outcome.signings;
    if (!first || first.verdict === 'bound') return;
    this.excused[first.verdict]++;
    if (isBeyond(first)) this.excusedBeyond[first.verdict]++;
  }

  #ofExchange({ exchange: { exchange, environment } }: Init) {
    const name = `${exchange} ${environment}`;
    let samples = this.byExchange.get(name);
    if (!samples) {
      samples = { ours: new Sample(), oracle: new Sample() };
      this.byExchange.set(name, samples);
    }
    return samples;
  }

  #of(name: string): PolicyCounts {
    const counts = this.counts.get(name);
    if (!counts) throw new Error(`there is no policy ${name}`);
    return counts;
  }
}

const isBeyond = ({ errorMs, uncertaintyMs }: Outcome['signings'][number]): boolean =>
  Math.abs(errorMs) > uncertaintyMs + ROUNDING_MS;

const KEPT = 20;

function keep(list: Outcome[], outcome: Outcome): void {
  if (list.length < KEPT) list.push(outcome);
}
