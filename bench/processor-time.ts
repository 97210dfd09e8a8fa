/**
 * The processor time of a program and of all that it started, children that ended included, from Linux' /proc: what a
 * server spent, whoever asked it.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';

/** Of /proc, whatever the kernel's own. */
const TICKS_PER_SECOND = 100;

export interface ProcessStat {
  readonly name: string;
  readonly parent: number;
  /** Milliseconds of its own. */
  readonly ownMs: number;
  /** …of children that have ended. */
  readonly endedMs: number;
}

/** @returns milliseconds; `undefined` where there is no such process, or no /proc */
export function processorMsOf(root: number): number | undefined {
  const all = processes();
  if (!all.has(root)) return undefined;
  const isOfRoot = (pid: number): boolean => {
    const parent = all.get(pid)?.parent;
    return pid === root || (parent !== undefined && isOfRoot(parent));
  };
  let ms = 0;
  for (const [pid, { ownMs, endedMs }] of all) if (isOfRoot(pid)) ms += ownMs + endedMs;
  return ms;
}

/** Empty where there is no /proc. */
export function processes(): Map<number, ProcessStat> {
  const found = new Map<number, ProcessStat>();
  if (!existsSync('/proc/self/stat')) return found;
  for (const name of readdirSync('/proc').filter(each => /^\d+$/.test(each))) {
    const stat = statOf(name);
    if (stat) found.set(Number(name), stat);
  }
  return found;
}

function statOf(pid: string): ProcessStat | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    // It has ended meanwhile.
    return undefined;
  }
  // The name may hold blanks and brackets.
  const [, name = '', rest = ''] = /^\d+ \((.*)\) (.*)$/s.exec(text) ?? [];
  const fields = rest.split(' ');
  const msFrom = (field: number) =>
    ((Number(fields[field]) + Number(fields[field + 1])) * 1_000) / TICKS_PER_SECOND;
  return { name, parent: Number(fields[1]), ownMs: msFrom(11), endedMs: msFrom(13) };
}
