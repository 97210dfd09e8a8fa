/**
 * A value as a message may show it.
 *
 * What a program in plain JavaScript passes may be anything: a BigInt or a circle, which JSON refuses, a symbol or an
 * object without a prototype, which have no text, a string that a terminal acts on. A message about it must not fail in its
 * place. So text is quoted, shortened and made visible, what counts is told as it is, and of everything else its type.
 */
import { visible } from './visible.js';

const MOST_CHARACTERS = 64;

/** Short, on one line, without control characters; never throws. Not for what may hold a secret. */
export function shown(value: unknown): string {
  if (typeof value === 'string') {
    const isLong = value.length > MOST_CHARACTERS;
    return visible(JSON.stringify(isLong ? `${value.slice(0, MOST_CHARACTERS)}…` : value));
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

const shorter = (text: string) =>
  text.length > MOST_CHARACTERS ? `${text.slice(0, MOST_CHARACTERS)}…` : text;
