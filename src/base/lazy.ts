/** A value made at first use. A failure is not kept: the next use tries again. */
export function lazy<T>(make: () => Promise<T>): {
  get: () => Promise<T>;
  started: () => Promise<T> | undefined;
} {
  let made: Promise<T> | undefined;
  return {
    get() {
      made ??= make().catch(error => {
        made = undefined;
        throw error;
      });
      return made;
    },
    started: () => made,
  };
}
