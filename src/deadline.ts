/** `promise`, or `fallback()` when it takes longer; the promise goes on and its late outcome is not looked at. */
export async function withDeadline<T, F>(
  promise: Promise<T>,
  deadlineMs: number,
  fallback: () => F,
): Promise<T | F> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<F>((resolve, reject) => {
    timer = setTimeout(() => {
      try {
        resolve(fallback());
      } catch (error) {
        reject(error);
      }
    }, deadlineMs);
  });
  // After the race nobody listens to it any more, and a late failure must not end the process.
  promise.catch(() => undefined);
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
