/**
 * One init, with all that led to it: what the fleet recorded about that exchange's clock before, each fact held against
 * the truth. For finding out who is to blame when a figure is missed.
 */
import type { Fact } from '../../src/events/event.js';
import type { RecordedBy } from './ours/database.js';
import type { Outcome } from './ours/fleet.js';
import type { World } from './world/world.js';

const KEPT = 60;

export class Trace {
  readonly #wanted: number;
  readonly #write: (line: string) => void;
  /** By exchange and environment, the oldest first. */
  readonly #facts = new Map<string, string[]>();

  constructor(wanted: number, write: (line: string) => void) {
    this.#wanted = wanted;
    this.#write = write;
  }

  recorded(world: World, fact: Fact, by: RecordedBy, storedAtMs: number): void {
    if (!('exchange' in fact.data)) return;
    const { exchange, environment } = fact.data;
    const key = `${exchange} ${environment}`;
    const kept = this.#facts.get(key) ?? [];
    kept.push(`${clockTime(storedAtMs)} ${by.host} ${fact.type} ${figuresOf(world, fact)}`);
    if (kept.length > KEPT) kept.shift();
    this.#facts.set(key, kept);
  }

  ended(world: World, { init, signings, requests, refusals, result, error, waitedMs }: Outcome): void {
    if (init.number !== this.#wanted) return;
    const { exchange, environment, clock } = init.exchange;
    const write = this.#write;
    write(
      `${exchange} ${environment} steps: ${clock.steps.map(s => `${clockTime(s.atMs)} ${ms(s.byMs)}`).join(', ')}`,
    );
    write(`database fails over ${clockTime(world.outage.fromMs)} to ${clockTime(world.outage.toMs)}`);
    for (const line of this.#facts.get(`${exchange} ${environment}`) ?? []) write(line);
    write(
      `init ${init.number} of ${init.ref.userId} ${init.ref.credentialId} on ${init.place.host.machine.name}`,
    );
    for (const { atMs, errorMs, uncertaintyMs, verdict, oracleErrorMs, with: used } of signings) {
      const { state, nowMs } = used;
      const reference = world.references.find(({ id }) => id === state.link.clockId);
      const linkError = reference && state.link.offsetMs - (reference.clock.read(atMs) - nowMs);
      const ageMs = nowMs + state.link.offsetMs - state.estimate.atMs;
      write(
        `${clockTime(atMs)} signed, error ${ms(errorMs)} ± ${ms(uncertaintyMs)} (${verdict}; oracle ${ms(oracleErrorMs)}; of the link ${ms(linkError)} ± ${ms(state.link.uncertaintyMs)}, ${ms(nowMs - state.link.atMs)} old); state ${ms(ageMs)} old: ${JSON.stringify(state)}`,
      );
    }
    for (const request of requests) write(JSON.stringify(request));
    write(
      `refusals ${JSON.stringify(refusals)}, waited ${ms(waitedMs)}, ${JSON.stringify(result)} ${error ?? ''}`,
    );
  }
}

const clockTime = (trueMs: number) => new Date(trueMs).toISOString().replace('T', ' ');
const ms = (value: number | undefined) => (value === undefined ? '?' : `${value.toFixed(3)} ms`);

function figuresOf(world: World, fact: Fact): string {
  if (fact.type !== 'ConnectorSynced') return JSON.stringify(fact.data);
  const { trigger, basis, syncId, measuredAt, referenceClock, offsetMs, uncertaintyMs, ...data } = fact.data;
  const exchange = world.exchanges.find(
    ({ exchange, environment }) => exchange === data.exchange && environment === data.environment,
  );
  const reference = world.references.find(({ id }) => id === referenceClock);
  // Good to the drift in the few milliseconds that the reference is off.
  const trueMs = measuredAt - (reference?.clock.offsetAt(measuredAt) ?? 0);
  const truth =
    exchange && reference ? exchange.clock.read(trueMs) - reference.clock.read(trueMs) : Number.NaN;
  const { sampleOffsetMs = offsetMs, sampleUncertaintyMs = uncertaintyMs } = data;
  return [
    `${basis} ${trigger} ${data.source ?? ''} ${syncId.slice(0, 8)} at ${clockTime(measuredAt)}`,
    `sample off by ${ms(sampleOffsetMs - truth)} ± ${ms(sampleUncertaintyMs)}`,
    `known off by ${ms(offsetMs - truth)} ± ${ms(uncertaintyMs)}`,
    `rate ${data.ratePpm?.toFixed(2)} ± ${data.rateBoundPpm?.toFixed(2)} ppm, ttl ${Math.round(data.ttlMs / 1000)} s`,
  ].join('; ');
}
