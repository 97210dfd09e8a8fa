/**
 * What costs much the first time in a process, done where the process waits anyway.
 *
 * The first signed call of a process takes 10 ms longer than any other: the exchange's SDK and Node's HTTP client
 * are compiled as they run. A module that brings such a first time leaves a rehearsal of it here when it is
 * loaded; createConnectorState runs what was left so far while the database connects. Of a module that is loaded
 * later the first true call is the rehearsal.
 *
 * A rehearsal sends nothing, holds no credential and leaves nothing behind. It runs once in a process.
 */
type Rehearsal = () => Promise<unknown>;

const due = new Set<Rehearsal>();

export function rehearseAtStart(rehearsal: Rehearsal): void {
  due.add(rehearsal);
}

/** Never rejects. */
export async function runRehearsals(): Promise<void> {
  const now = [...due];
  due.clear();
  // What goes wrong here goes wrong in the first true call too, which has somebody to tell.
  await Promise.all(now.map(rehearsal => rehearsal().catch(() => undefined)));
}
