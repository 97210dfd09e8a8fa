/**
 * One connector-state a process, whoever asks: pages, routes and actions are bundled apart and each has modules of its
 * own, and `next dev` loads them anew with each edit; what stands under `globalThis` is one for all of them, and stays.
 *
 * While `next build` runs nothing is opened. What is executed there, in order to be made in advance, waits for a request
 * first (`connection()` of next/server), which tells Next.js that it cannot be.
 */
import { buildPhaseError, isBuildPhase } from '../base/build-phase.js';
import {
  type ConnectorState,
  type ConnectorStateOptions,
  createConnectorState,
} from '../composition/connector-state.js';

/** Of every copy of this package: they share what is here. */
const SHARED = Symbol.for('connector-state.shared');

interface Shared {
  state: Promise<ConnectorState> | undefined;
  options: string;
}

/** A function needs few connections, and a platform runs many functions. */
const POOL_SIZE = 2;

/**
 * The process's connector-state: opened by the first call, the same for every later one, until it is closed.
 *
 * @param options of the first call; `poolSize` is 2 unless `POOL_SIZE` or this says otherwise. Later calls give none, or
 *   the same: other ones are not obeyed, and a warning says so
 * @example
 * ```ts
 * import { sharedConnectorState } from 'connector-state/next';
 * import { after } from 'next/server';
 *
 * export async function GET() {
 *   const { cache, flush } = await sharedConnectorState();
 *   const connector = new BybitConnectorWithCache({ cache, ...ref, credentials });
 *   const { cacheHit } = await connector.initialize();
 *   after(() => flush(5_000));
 *   return Response.json({ cacheHit });
 * }
 * ```
 * @throws as {@link createConnectorState}; ConnectorStateError `BUILD_PHASE` where `next build` runs it outside of a
 *   request
 */
export function sharedConnectorState(options: ConnectorStateOptions = {}): Promise<ConnectorState> {
  const opened = isBuildPhase() ? waitForRequest().then(() => open(options)) : open(options);
  // At the head of a module nobody waits for it yet; who does is told all the same.
  opened.catch(() => undefined);
  return opened;
}

function open(options: ConnectorStateOptions): Promise<ConnectorState> {
  const holder = globalThis as { [SHARED]?: Shared };
  // Not enumerable: options may hold a URL with its password, and who prints what is global is not to see it.
  if (!holder[SHARED]) Object.defineProperty(holder, SHARED, { value: { state: undefined, options: '' } });
  const shared = holder[SHARED] as Shared;
  const said = describe(options);
  if (shared.state) {
    if (said !== '' && said !== shared.options) warnOfOptions();
    return shared.state;
  }
  shared.options = said;
  const poolSize = process.env.POOL_SIZE ? {} : { poolSize: POOL_SIZE };
  const forget = () => {
    if (shared.state === opening) shared.state = undefined;
  };
  const opening: Promise<ConnectorState> = createConnectorState({ ...poolSize, ...options }).then(
    state =>
      // The descriptors, for what is not enumerable is to stay.
      Object.defineProperties({} as ConnectorState, {
        ...Object.getOwnPropertyDescriptors(state),
        close: {
          enumerable: true,
          value: () => {
            forget();
            return state.close();
          },
        },
      }),
    error => {
      forget();
      throw error;
    },
  );
  shared.state = opening;
  return opening;
}

/** By a name that no bundler follows: only a build needs it, and there it is installed. */
const NEXT_SERVER = 'next/server.js';

/** Never resolves, or throws what makes Next.js leave the page to be made at request time. @throws ConnectorStateError `BUILD_PHASE` */
async function waitForRequest(): Promise<void> {
  let connection: () => Promise<void>;
  try {
    ({ connection } = await import(NEXT_SERVER));
  } catch {
    throw buildPhaseError();
  }
  try {
    await connection();
  } catch (error) {
    // Next.js's own signal has a digest; that there is no request is a plain error.
    throw (error as { digest?: unknown }).digest === undefined ? buildPhaseError() : error;
  }
  throw buildPhaseError();
}

let isWarned = false;
function warnOfOptions(): void {
  if (isWarned) return;
  isWarned = true;
  process.emitWarning(
    'sharedConnectorState() was called with other options than the first time, which hold until it is closed: give the same everywhere',
    { code: 'CONNECTOR_STATE_OPTIONS' },
  );
}

/** What can be compared; a logger of a module that was loaded anew is another one, and may refer to itself. */
const describe = (options: ConnectorStateOptions): string =>
  Object.entries(options ?? {})
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${/object|function/.test(typeof value) ? typeof value : String(value)}`)
    .sort()
    .join('\n');
