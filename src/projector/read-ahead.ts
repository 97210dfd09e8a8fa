/**
 * Fetches the next item while the last one is being worked on: reading and decoding events then overlaps with
 * writing rows. One item ahead, never more, so a slow consumer still holds the source back.
 *
 * Not ahead of an item that `isLast` for now: the next would be a page of the one event that comes next, and all
 * that come while the last is written would wait for the page after it.
 *
 * While the consumer `isWaiting` for more before it does something with what it has, it is told (`undefined`) when nothing
 * comes for a moment: not every source knows that an item was the last for now.
 *
 * Ending early does not wait for the item under way: end the source itself (abort its signal).
 */
export async function* readAhead<T>(
  source: AsyncIterable<T>,
  isLast: (item: T) => boolean,
  isWaiting: () => boolean,
): AsyncGenerator<T | undefined, void, undefined> {
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
      next ??= fetch();
      if (isWaiting() && !(await comesSoon(next))) yield undefined;
      const item = await next;
      if (item.done) return;
      next = isLast(item.value) ? undefined : fetch();
      yield item.value;
    }
  } finally {
    iterator.return?.().catch(() => undefined);
  }
}

/** A page of a thousand events is read in less. */
const MOMENT_MS = 20;

/** Also when it fails: that is seen when it is looked at. */
async function comesSoon(next: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const moment = new Promise<boolean>(resolve => {
    timer = setTimeout(() => resolve(false), MOMENT_MS);
  });
  const came = next.then(
    () => true,
    () => true,
  );
  return Promise.race([came, moment]).finally(() => clearTimeout(timer));
}
