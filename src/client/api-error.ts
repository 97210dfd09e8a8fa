import type { Problem } from './types.js';

/**
 * The service said no, or nothing. Match `code`; `docs/errors.md` has them all.
 * @example
 * catch (error) {
 *   if (error instanceof ApiError && error.code === 'UNREACHABLE') return signByOwnClock();
 *   throw error;
 * }
 */
export class ApiError extends Error {
  /** HTTP status; 0: there was no answer. */
  readonly status: number;
  /** Stable; `UNREACHABLE` where there was no answer, `BAD_ANSWER` where it was none of the service's. */
  readonly code: string;
  /** When it is worth trying again, milliseconds from now, where the service said so. */
  readonly retryAfterMs: number | undefined;
  /** The fields at fault. */
  readonly errors: NonNullable<Problem['errors']>;
  /** Names the request in the service's log. */
  readonly instance: string | undefined;

  constructor(
    status: number,
    code: string,
    detail: string,
    more: { retryAfterMs?: number | undefined; problem?: Problem | undefined; cause?: unknown } = {},
  ) {
    super(detail, { cause: more.cause });
    this.name = 'ApiError';
    this.status = status;
    this.code = code;
    this.retryAfterMs = more.retryAfterMs;
    this.errors = more.problem?.errors ?? [];
    this.instance = more.problem?.instance;
  }
}
