/**
 * Copies of this package in one process: its ES modules beside its CommonJS build, or two versions. Each is sound by
 * itself, but they share no pool, no memory and no clock, which nobody means to have; so the second that is put to use
 * says so, once. Node prints a process warning with the stack when run with `--trace-warnings`.
 */
const COPIES = Symbol.for('connector-state.copies');

interface Copies {
  readonly places: Set<string>;
  told: boolean;
}

/** @param place of a module that every copy has, such as its `import.meta.url` */
export function noteCopy(place: string, warn: (message: string) => void = warnProcess): void {
  const shared = globalThis as { [COPIES]?: Copies };
  shared[COPIES] ??= { places: new Set(), told: false };
  const copies = shared[COPIES];
  copies.places.add(place);
  if (copies.places.size === 1 || copies.told) return;
  copies.told = true;
  warn(
    `connector-state is in use twice in this process, from ${[...copies.places].join(' and ')}. They share nothing: each has connections and a memory of its own. Load it either by import or by require everywhere, in one version (npm ls connector-state), or share one instance by sharedConnectorState() of connector-state/next.`,
  );
}

const warnProcess = (message: string) =>
  process.emitWarning(message, { code: 'CONNECTOR_STATE_TWICE', type: 'Warning' });
