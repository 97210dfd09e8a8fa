/**
 * Logs go to stderr, as JSON lines or, for people, as text; stdout belongs to a command's data.
 *
 * Nothing is redacted by pattern: no code path hands a credential to a logger, and errors from SDKs are
 * rebuilt from safe parts before anyone can log them. The paths below are the second lock on that door.
 */

import { loadOptional } from './optional-package.js';

/** What connector-state needs of a logger; pino's, console-like wrappers and fastify's all fit. */
export interface Logger {
  debug(details: object, message: string): void;
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
  error(details: object, message: string): void;
  /** Where there is one it is asked before a line is made that is written often. */
  isLevelEnabled?(level: string): boolean;
}

export const LOG_LEVELS = ['silent', 'error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
export const LOG_FORMATS = ['json', 'pretty'] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

const STDERR = 2;

const REDACTED_PATHS = [
  'apiKey',
  'apiSecret',
  'secret',
  'password',
  '*.apiKey',
  '*.apiSecret',
  '*.secret',
  '*.password',
];

export async function createLogger(level: LogLevel, format: LogFormat): Promise<Logger> {
  // Loaded only when asked for: a program that brings its own logger must not pay for pino (20 of the 60 ms that
  // the hot path took to import), nor one that logs JSON for the formatter.
  const { pino } = await import('pino');
  const options = { level, name: 'connector-state', redact: REDACTED_PATHS };
  const stream =
    format === 'json'
      ? pino.destination({ fd: STDERR, sync: true })
      : (await loadOptional('LOG_FORMAT=pretty', () => import('pino-pretty'))).default({
          destination: STDERR,
          sync: true,
          ignore: 'pid,hostname,name',
          translateTime: 'SYS:HH:MM:ss.l',
        });
  const logger: Logger = pino(options, stream);
  return logger;
}

export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  isLevelEnabled: () => false,
};
