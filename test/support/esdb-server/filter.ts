/** Which events a read of `$all` wants: by the start of a stream's name or a type's, or by a pattern. */
import type { ReadReq } from '@eventstore/db-client/generated/streams_pb.js';
import type { LoggedEvent } from './event-log.js';

export type ReadOptions = NonNullable<ReturnType<ReadReq['getOptions']>>;

export function filterOf(options: ReadOptions): (event: LoggedEvent) => boolean {
  const filter = options.getFilter();
  const expression = filter?.getStreamIdentifier() ?? filter?.getEventType();
  if (!filter || !expression) return () => true;
  const textOf = filter.hasStreamIdentifier()
    ? (event: LoggedEvent) => event.stream
    : (event: LoggedEvent) => event.type;
  const prefixes = expression.getPrefixList();
  if (prefixes.length > 0) return event => prefixes.some(prefix => textOf(event).startsWith(prefix));
  const pattern = new RegExp(expression.getRegex());
  return event => pattern.test(textOf(event));
}
