/**
 * Fetches the next item while the last one is being worked on: reading and decoding events then overlaps with
 * writing rows. One item ahead, never more, so a slow consumer still holds the source back.
 *
 * Ending early does not wait for the item under way: end the source itself (abort its signal).
 */
export async function* readAhead<T>(source: AsyncIterable<T>): AsyncGenerator<T, void, undefined> {
  const iterator = source[Symbol.asyncIterator]();
  const fetch = () => {
    const next = iterator.next();
    // Looked at when its turn comes; until then it must not count as unhandled.
    next.catch(() => undefined);
    return next;
  };
  let next = fetch();
  try {
    for (;;) {
      const item = await next;
      if (item.done) return;
      next = fetch();
      yield item.value;
    }
  } finally {
    iterator.return?.().catch(() => undefined);
  }
}
