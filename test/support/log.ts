/** A logger that keeps what it is told. */
import { inspect } from 'node:util';
import type { Logger } from '../../src/base/logging.js';

export interface LogLine {
  readonly level: keyof Logger;
  readonly details: object;
  readonly message: string;
}

export interface KeptLog extends Logger {
  readonly lines: readonly LogLine[];
  messages(level?: keyof Logger): string[];
  /** Everything, details included, as one text. */
  text(): string;
}

export function keptLog(): KeptLog {
  const lines: LogLine[] = [];
  const keep = (level: keyof Logger) => (details: object, message: string) => {
    lines.push({ level, details, message });
  };
  return {
    lines,
    debug: keep('debug'),
    info: keep('info'),
    warn: keep('warn'),
    error: keep('error'),
    messages: level => lines.filter(line => !level || line.level === level).map(line => line.message),
    text: () =>
      inspect(lines, { depth: Number.POSITIVE_INFINITY, maxArrayLength: null, maxStringLength: null }),
  };
}
