/**
 * Whether an append is new, was stored before, or contradicts what is there. As the real server decides it:
 *
 * - To a certain revision: what lies behind that revision is compared, id by id, for ever and whatever metadata hides.
 *   All there: stored before. The first is another: a conflict. A later one is another: a conflict too, for half an
 *   append cannot be.
 * - To `any`, or a stream that exists: by a memory of ids that a restart forgets and that knows one stream an id. So an
 *   id that went to a second stream is new again in the first's memory, or the second's, each time.
 * - A soft-deleted stream takes an append to "no stream" as new, unless it repeats its very first events.
 */
import { type LoggedEvent, NO_STREAM } from './record.js';

export type Expected = number | 'any' | 'no-stream' | 'stream-exists';

/** What the check looks at. */
export interface Appended {
  revisionOf(stream: string): number;
  isSoftDeleted(stream: string): boolean;
  /** Whatever metadata hides of it. */
  eventAt(stream: string, revision: number): LoggedEvent | undefined;
  /** By the memory of ids. */
  remembered(id: string): LoggedEvent | undefined;
}

export type Verdict =
  | { readonly is: 'new' }
  | { readonly is: 'stored'; readonly last: LoggedEvent }
  | { readonly is: 'conflict'; readonly current: number }
  | { readonly is: 'deleted' };

export function checkAppend(
  log: Appended,
  stream: string,
  expected: Expected,
  ids: readonly string[],
): Verdict {
  const current = log.revisionOf(stream);
  if (expected === 'stream-exists') {
    if (log.isSoftDeleted(stream)) return { is: 'deleted' };
    if (current === NO_STREAM && log.revisionOf(`$$${stream}`) === NO_STREAM)
      return { is: 'conflict', current };
  }
  if (expected === 'any' || expected === 'stream-exists') {
    return settle(
      ids.map(id => log.remembered(id)).map(event => (event?.stream === stream ? event : undefined)),
      { is: 'new' },
      current,
    );
  }
  const at = expected === 'no-stream' ? NO_STREAM : expected;
  if (at === current) return { is: 'new' };
  if (at > current || ids.length === 0) return { is: 'conflict', current };
  const there = ids.map((id, index) => {
    const event = log.eventAt(stream, at + 1 + index);
    return event?.id === id ? event : undefined;
  });
  const isRevived = at === NO_STREAM && log.isSoftDeleted(stream);
  return settle(there, isRevived ? { is: 'new' } : { is: 'conflict', current }, current);
}

/** @param there for each of the append's events the one that is it, if any */
function settle(
  there: readonly (LoggedEvent | undefined)[],
  whenFirstIsNew: Verdict,
  current: number,
): Verdict {
  const last = there.at(-1);
  if (!there[0]) return whenFirstIsNew;
  return last && there.every(Boolean) ? { is: 'stored', last } : { is: 'conflict', current };
}
