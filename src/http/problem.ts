/**
 * Problem details (RFC 9457): what every refusal and failure answers.
 *
 * `code` is stable, one of docs/errors.md; programs match it. An error of ours (ConnectorStateError) says what it says
 * anywhere else. Whatever else is thrown is a fault of the service: it is logged whole, and the answer says only that.
 */
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { ConnectorStateError, type ErrorCode } from '../base/errors.js';
import type { Logger } from '../base/logging.js';

/** Codes that only the service has. */
export type HttpCode =
  | 'UNAUTHENTICATED'
  | 'FORBIDDEN'
  | 'NOT_FOUND'
  | 'METHOD_NOT_ALLOWED'
  | 'TOO_LARGE'
  | 'UNSUPPORTED_MEDIA_TYPE'
  | 'TOO_MANY_REQUESTS'
  | 'OVERLOADED'
  | 'TIMEOUT'
  | 'INTERNAL';

export interface FieldProblem {
  /** JSON pointer into the part of the request that is at fault, e.g. `/body/exchange`. */
  readonly pointer: string;
  readonly detail: string;
}

export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: ErrorCode | HttpCode;
  readonly detail: string;
  /** The request's id, as in the log. */
  readonly instance: string;
  readonly errors?: readonly FieldProblem[];
}

export interface ProblemExtras {
  readonly retryAfterSeconds?: number;
  readonly errors?: readonly FieldProblem[];
}

export class HttpProblem extends Error {
  readonly status: number;
  readonly code: ErrorCode | HttpCode;
  readonly extras: ProblemExtras;

  constructor(status: number, code: ErrorCode | HttpCode, detail: string, extras: ProblemExtras = {}) {
    super(detail);
    this.status = status;
    this.code = code;
    this.extras = extras;
  }
}

export const PROBLEM_TYPE = 'application/problem+json';

const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  409: 'Conflict',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  417: 'Expectation Failed',
  421: 'Misdirected Request',
  422: 'Unprocessable Content',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
};

/** Of our own errors: whose fault it is. */
const STATUS_OF: Readonly<Record<ErrorCode, number>> = {
  INVALID_INPUT: 400,
  INVALID_SETTINGS: 500,
  INVALID_EVENT: 422,
  DATABASE_UNAVAILABLE: 503,
  DATABASE_NOT_MIGRATED: 503,
  DATABASE_REFUSED: 503,
  EMBEDDED_DATABASE_FAILED: 503,
  VERSION_CONFLICT: 409,
  EVENT_STORE_FAILED: 503,
  PROJECTION_FAILED: 503,
  EXCHANGE_REFUSED: 502,
  EXCHANGE_UNREACHABLE: 502,
  EXCHANGE_BAD_RESPONSE: 502,
  CLOCK_UNCERTAIN: 503,
  PUBLISHING_FAILED: 502,
  PACKAGE_MISSING: 501,
  BUILD_PHASE: 503,
  CLOSED: 503,
};

/** A database that is away is back, if it comes back by itself, within seconds. */
const RETRY_AFTER_SECONDS = 2;

/** Codes of Fastify's own errors; the rest of its 4xx is `INVALID_INPUT`. */
const CODE_OF_STATUS: Readonly<Record<number, HttpCode>> = {
  404: 'NOT_FOUND',
  405: 'METHOD_NOT_ALLOWED',
  408: 'TIMEOUT',
  413: 'TOO_LARGE',
  415: 'UNSUPPORTED_MEDIA_TYPE',
  429: 'TOO_MANY_REQUESTS',
  503: 'OVERLOADED',
};

/** Bytes of a body; an append of 1 000 events is 0.6 MB. */
export const BODY_LIMIT = 2 * 1024 * 1024;

/** Of Fastify's errors that say neither the limit nor what to do, by its codes. */
const REMEDIES: Readonly<Record<string, string>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'a body is JSON: send it with Content-Type: application/json',
  FST_ERR_CTP_BODY_TOO_LARGE: `a body has ${BODY_LIMIT} bytes at most: send it in parts`,
};

/** Any error as an answer. */
export function toHttpProblem(error: unknown): HttpProblem {
  if (error instanceof HttpProblem) return error;
  if (error instanceof ConnectorStateError) {
    const status = STATUS_OF[error.code];
    const extras = status === 503 ? { retryAfterSeconds: RETRY_AFTER_SECONDS } : {};
    return new HttpProblem(status, error.code, error.message, extras);
  }
  const { statusCode, code = '', message, validation, validationContext } = error as Partial<FastifyError>;
  if (validation) {
    const errors = validation.map(({ instancePath, message: detail = 'is not valid' }) => ({
      pointer: `/${validationContext ?? 'request'}${instancePath === '/' ? '' : instancePath}`,
      detail: detail.replace(/^.*, received undefined$/, 'is missing'),
    }));
    const [first] = errors;
    const detail = first ? `${first.pointer}: ${first.detail}` : 'the request is not what the schema says';
    return new HttpProblem(400, 'INVALID_INPUT', detail, { errors });
  }
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new HttpProblem(
      statusCode,
      CODE_OF_STATUS[statusCode] ?? 'INVALID_INPUT',
      REMEDIES[code] ?? message ?? 'bad request',
    );
  }
  if (statusCode === 503)
    return new HttpProblem(503, 'OVERLOADED', message ?? 'too busy', { retryAfterSeconds: 1 });
  return new HttpProblem(500, 'INTERNAL', 'the service failed; its log says how, under this instance');
}

export const problemBody = ({ status, code, message, extras }: HttpProblem, instance: string): Problem => ({
  type: `urn:connector-state:error:${code}`,
  title: TITLES[status] ?? 'Error',
  status,
  code,
  detail: message,
  instance,
  ...(extras.errors && { errors: extras.errors }),
});

/** The error handler of a server. */
export const answerProblems =
  (log: Logger) =>
  (error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const problem = toHttpProblem(error);
    if (problem.code === 'INTERNAL') {
      const { stack, message } = error as Error;
      log.error(
        { request: request.id, route: request.routeOptions.url, error: message, stack },
        'a request failed',
      );
    }
    return sendProblem(reply, problem, request.id);
  };

export function sendProblem(reply: FastifyReply, problem: HttpProblem, instance: string): FastifyReply {
  const { retryAfterSeconds } = problem.extras;
  if (retryAfterSeconds !== undefined) reply.header('retry-after', retryAfterSeconds);
  if (problem.status === 401) reply.header('www-authenticate', 'Bearer realm="connector-state"');
  return reply
    .code(problem.status)
    .header('content-type', PROBLEM_TYPE)
    .header('cache-control', 'no-store')
    .serializer(JSON.stringify)
    .send(problemBody(problem, instance));
}
