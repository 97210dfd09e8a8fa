/**
 * How a program is given its task and gives its answer: JSON on stdin and stdout. Both by plain system calls,
 * because Node's streams load modules whose time and memory would be missing from what is measured next.
 */
import { readFileSync, writeSync } from 'node:fs';

const STDIN = 0;
const STDOUT = 1;

export const readTask = <T>(): T => JSON.parse(readFileSync(STDIN, 'utf8')) as T;

/** Called once. */
export const answer = (value: object): void => {
  writeSync(STDOUT, JSON.stringify(value));
};
