/**
 * Subscriptions: what is there, a `caughtUp`, then what comes. A filtered one says every so many events that it
 * looked at how far it has come, and once before it is caught up; it says so whether or not any event matched.
 */
import { once } from 'node:events';
import { comparePositions, type EventLog, type LoggedEvent, type LogPosition } from './event-log.js';
import { filterOf, type ReadOptions } from './filter.js';
import { positionOf, type Writer } from './writer.js';

/** The server's, when the client names none. */
const DEFAULT_SEARCH_WINDOW = 32;

export async function followAll(log: EventLog, options: ReadOptions, writer: Writer): Promise<void> {
  const all = options.getAll();
  const position = all?.getPosition();
  const start = position && positionOf(position);
  const filter = options.getFilter();
  const matches = filterOf(options);
  const interval = filter
    ? (filter.getCheckpointintervalmultiplier() || 1) * (filter.getMax() || DEFAULT_SEARCH_WINDOW)
    : Number.POSITIVE_INFINITY;
  let at = start ? log.indexAt(start, false) : all?.hasEnd() ? log.events.length : 0;
  let looked = 0;
  let told: LogPosition | undefined = start;
  const checkpoint = async (reached: LogPosition | undefined) => {
    if (!filter || !reached || (told && comparePositions(reached, told) <= 0)) return;
    told = reached;
    await writer.checkpoint(reached);
  };

  await writer.confirmation();
  let isLive = false;
  await follow(log, writer, async () => {
    while (at < log.events.length && !writer.isOver) {
      const event = log.events[at++] as LoggedEvent;
      if (matches(event)) await writer.event(event);
      looked += 1;
      if (looked % interval === 0) await checkpoint(event.position);
    }
    if (isLive || at < log.events.length) return;
    isLive = true;
    await checkpoint(log.events[at - 1]?.position);
    await writer.caughtUp();
  });
}

export async function followStream(
  log: EventLog,
  stream: string,
  options: ReadOptions,
  writer: Writer,
): Promise<void> {
  const from = options.getStream();
  let next = from?.hasRevision()
    ? Number(from.getRevision()) + 1
    : from?.hasEnd()
      ? log.revisionOf(stream) + 1
      : 0;
  await writer.confirmation();
  let isLive = false;
  await follow(log, writer, async () => {
    for (const event of log.readable(stream) ?? []) {
      if (event.revision < next) continue;
      next = event.revision + 1;
      await writer.event(event);
    }
    if (isLive) return;
    isLive = true;
    await writer.caughtUp();
  });
}

/** Runs `advance` now and after every append, until the client has gone. */
async function follow(log: EventLog, writer: Writer, advance: () => Promise<void>): Promise<void> {
  const over = new AbortController();
  const gone = Promise.race([
    once(writer.call, 'cancelled', { signal: over.signal }),
    once(writer.call, 'close', { signal: over.signal }),
  ]);
  let ring = () => {};
  const stop = log.onAppend(() => ring());
  try {
    while (!writer.isOver) {
      const rung = new Promise<void>(resolve => {
        ring = resolve;
      });
      await advance();
      await Promise.race([rung, gone]);
    }
  } finally {
    stop();
    over.abort();
    await gone.catch(() => undefined);
  }
}
