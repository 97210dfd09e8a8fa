/**
 * Work of which only so much runs at once; the rest waits in the order it came.
 *
 * Not `p-limit`, which is an ES module alone: whoever tests his CommonJS program with Jest could not load what uses it.
 */
export function createLimit(atOnce: number): <T>(work: () => Promise<T>) => Promise<T> {
  let free = atOnce;
  const waiting: (() => void)[] = [];
  return async work => {
    if (free > 0) free--;
    else await new Promise<void>(resolve => waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else free++;
    }
  };
}
