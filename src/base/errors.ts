/**
 * Errors of connector-state.
 *
 * Callers match `code`, never a class or a message: codes are stable, are listed in docs/errors.md, and are
 * the same whichever adapter threw. A message names the value, the limit and the remedy. No error of ours
 * carries a credential: what comes from an SDK is rebuilt from its safe parts (see exchanges/redact.ts), and
 * `cause` is only ever set to an error that has been through that.
 */

export type ErrorCode =
  | 'INVALID_INPUT'
  | 'INVALID_SETTINGS'
  | 'INVALID_EVENT'
  | 'DATABASE_UNAVAILABLE'
  | 'DATABASE_NOT_MIGRATED'
  | 'DATABASE_REFUSED'
  | 'EMBEDDED_DATABASE_FAILED'
  | 'VERSION_CONFLICT'
  | 'EVENT_STORE_FAILED'
  | 'PROJECTION_FAILED'
  | 'EXCHANGE_REFUSED'
  | 'EXCHANGE_UNREACHABLE'
  | 'EXCHANGE_BAD_RESPONSE'
  | 'CLOCK_UNCERTAIN'
  | 'PACKAGE_MISSING'
  | 'PUBLISHING_FAILED'
  | 'BUILD_PHASE'
  | 'CLOSED';

/** On errors of every copy of this package: `instanceof` knows those of its own copy only. */
const IS_OURS = Symbol.for('connector-state.error');

/**
 * What this package throws. Match `code`, which is stable; `docs/errors.md` says what each means and what to do.
 * @example
 * catch (error) {
 *   if (isConnectorStateError(error) && error.code === 'EXCHANGE_UNREACHABLE') return retryLater();
 *   throw error;
 * }
 */
export class ConnectorStateError extends Error {
  readonly code: ErrorCode;
  /** @internal */
  get [IS_OURS](): true {
    return true;
  }

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/**
 * The caller's argument is at fault; nothing was sent anywhere.
 * @example
 * await cache.get({ ...ref, userId: '' }); // InvalidInputError: userId must have 1 to 128 characters, got 0: …
 */
export class InvalidInputError extends ConnectorStateError {
  constructor(message: string) {
    super('INVALID_INPUT', message);
  }
}

/**
 * The exchange's time is not known well enough to sign by; nothing was signed.
 * @example
 * try {
 *   sign(connector.timestamp());
 * } catch (error) {
 *   if (!(error instanceof ClockUncertainError)) throw error;
 *   sign(await connector.timestampSafe()); // measures first
 * }
 */
export class ClockUncertainError extends ConnectorStateError {
  /** The error of a timestamp made now is at most this, milliseconds. */
  readonly boundMs: number;
  /** The error at which the exchange begins to refuse, milliseconds. */
  readonly toleranceMs: number;

  constructor(message: string, figures: { readonly boundMs: number; readonly toleranceMs: number }) {
    super('CLOCK_UNCERTAIN', message);
    this.boundMs = figures.boundMs;
    this.toleranceMs = figures.toleranceMs;
  }
}

/**
 * Every setting that is wrong, at once.
 * @example
 * const state = await createConnectorState().catch(error => {
 *   if (error instanceof InvalidSettingsError) for (const problem of error.problems) console.error(problem);
 *   throw error;
 * });
 */
export class InvalidSettingsError extends ConnectorStateError {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super('INVALID_SETTINGS', `invalid settings:\n${problems.map(p => `  - ${p}`).join('\n')}`);
    this.problems = problems;
  }
}

/**
 * Whether something that was caught is an error of ours, and of that code. Holds across copies of this package.
 * @example
 * ```ts
 * try {
 *   await connector.initialize();
 * } catch (error) {
 *   if (!isConnectorStateError(error, 'EXCHANGE_REFUSED')) throw error;
 * }
 * ```
 */
export function isConnectorStateError(error: unknown, code?: ErrorCode): error is ConnectorStateError {
  const ours = error as Partial<Record<typeof IS_OURS, true>> & { readonly code?: unknown };
  return error instanceof Error && ours[IS_OURS] === true && (code === undefined || ours.code === code);
}
