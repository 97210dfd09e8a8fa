/**
 * Objects that a program hands in, held to what will be called of them.
 *
 * A logger without `warn` would be noticed by the first warning, in the middle of an outage; so it is refused at the start, by
 * the name of the option and of what is missing. `null` counts as not given, like everywhere.
 */
import { InvalidInputError } from '../base/errors.js';
import { kindOf } from '../base/shown.js';

type HandedIn = 'logger' | 'clock' | 'timers' | 'metrics' | 'tracer';

const NEEDED: Readonly<Record<HandedIn, { readonly what: string; readonly methods: readonly string[] }>> = {
  logger: { what: 'a logger, such as one of pino', methods: ['debug', 'info', 'warn', 'error'] },
  clock: { what: 'a clock, such as createFakeClock()', methods: ['now', 'wall'] },
  timers: { what: 'timers, such as those of createFakeClock()', methods: ['after'] },
  metrics: { what: 'a registry of prom-client', methods: ['registerMetric', 'getSingleMetric'] },
  tracer: { what: 'a tracer of @opentelemetry/api', methods: ['startActiveSpan'] },
};

/** @throws InvalidInputError */
export function checkHandedIn(options: { readonly [K in HandedIn | 'random']?: unknown }): void {
  for (const name of Object.keys(NEEDED) as HandedIn[]) {
    const given: unknown = options[name];
    if (given === undefined || given === null) continue;
    const { what, methods } = NEEDED[name];
    const isObject = typeof given === 'object' || typeof given === 'function';
    const missing = isObject
      ? methods.find(method => typeof (given as Record<string, unknown>)[method] !== 'function')
      : undefined;
    if (isObject && missing === undefined) continue;
    const got = missing === undefined ? kindOf(given) : `one without ${missing}()`;
    throw new InvalidInputError(`${name} must be ${what}, got ${got}`);
  }
  if (typeof (options.random ?? Math.random) !== 'function') {
    throw new InvalidInputError(`random must be a function like Math.random, got ${kindOf(options.random)}`);
  }
}
