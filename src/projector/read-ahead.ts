/**
 * Fetches the next item while the last one is being worked on: reading and decoding events then overlaps with
 * writing rows. One item ahead, never more, so a slow consumer still holds the source back.
 *
 * Not ahead of an item that `isLast` for now: the next would be a page of the one event that comes next, and all
 * that come while the last is written would wait for the page after it.
 *
 * Ending early does not wait for the item under way: end the source itself (abort its signal).
 */
export async function* readAhead<T>(
  source: AsyncIterable<T>,
  isLast: (item: T) => boolean,
): AsyncGenerator<T, void, undefined> {
  const iterator = source[Symbol.asyncIterator]();
  const fetch = () => {
    const next = iterator.next();
    // Looked at when its turn comes; until then it must not count as unhandled.
    next.catch(() => undefined);
    return next;
  };
  let next: ReturnType<typeof fetch> | undefined;
  try {
    for (;;) {
      const item = await (next ?? fetch());
      if (item.done) return;
      next = isLast(item.value) ? undefined : fetch();
      yield item.value;
    }
  } finally {
    iterator.return?.().catch(() => undefined);
  }
}
