/**
 * A value as a message may show it.
 *
 * What a program in plain JavaScript passes may be anything: a BigInt or a circle, which JSON refuses, a symbol or an
 * object without a prototype, which have no text, a string that a terminal acts on. A message about it must not fail in its
 * place. So text is quoted, shortened and made visible, what counts is told as it is, and of everything else its type. A URL
 * that was set in another variable's place has a password, which goes into no message and no log.
 */
import { visible } from './visible.js';

const MOST_CHARACTERS = 64;

/** Short, on one line, without control characters or a URL's password; never throws. Not for what may hold another secret. */
export function shown(value: unknown): string {
  if (typeof value === 'string') {
    return visible(JSON.stringify(shorter(withoutPassword(value))));
  }
  if (typeof value === 'bigint') return `${shorter(String(value))}n`;
  if (typeof value === 'number' || typeof value === 'boolean' || value === undefined || value === null) {
    return String(value);
  }
  return Array.isArray(value) ? 'an array' : `a value of type ${typeof value}`;
}

/** What kind of value it is, and nothing of it: in place of an object of options there may be a URL with its password. */
export const kindOf = (value: unknown): string =>
  value === null ? 'null' : Array.isArray(value) ? 'an array' : typeof value;

function withoutPassword(text: string): string {
  const scheme = text.indexOf('://');
  const colon = scheme < 0 ? -1 : text.indexOf(':', scheme + 3);
  const at = text.lastIndexOf('@');
  return colon >= 0 && colon < at ? `${text.slice(0, colon + 1)}…${text.slice(at)}` : text;
}

const shorter = (text: string) =>
  text.length > MOST_CHARACTERS ? `${text.slice(0, MOST_CHARACTERS)}…` : text;
