/** The public operations whose round trips are counted, each played by a process of its own over a link of its own. */
import { linkOf } from '../../src/cache/lookup.js';
import { measuredFromSample } from '../../src/cache/measurement.js';
import type { ConnectorState, ConnectorStateOptions } from '../../src/composition/connector-state.js';
import type { ConnectorRef } from '../../src/events/connector.js';
import type { CountingProxy } from '../support/counting-proxy.js';

export interface Stage {
  /** To the database; `count` says what an operation cost, in whatever the stage measures. */
  readonly link: Pick<CountingProxy, 'url' | 'count'>;
  /** A new process; `PROJECTION` and the rest as the setting under test has it. */
  start(options?: ConnectorStateOptions): Promise<ConnectorState>;
  /** How often an operation is played that can be played again; the last time is what is told. Default: once. */
  readonly times?: number;
}

export const REF: ConnectorRef = {
  userId: 'user123',
  credentialId: 'cred456',
  exchange: 'BYBIT',
  environment: 'TESTNET',
};
export const other = (n: number): ConnectorRef => ({ ...REF, credentialId: `other${n}` });

/** A connector of which nothing is known; it makes no fact. */
export const STRANGER: ConnectorRef = { ...REF, userId: 'stranger' };

/** What an init records when it measured. */
export async function sync({ cache }: ConnectorState, ref: ConnectorRef = REF): Promise<void> {
  recordSync(cache, linkOf(await cache.peek(STRANGER)), ref);
}

export function recordSync(
  cache: ConnectorState['cache'],
  link: Parameters<typeof measuredFromSample>[1],
  ref: ConnectorRef = REF,
): void {
  const now = cache.clock.now();
  const sample = { sentAtMs: now - 10, receivedAtMs: now, serverTimeMs: now + 100 };
  const ttl = cache.ttlOf({ toleranceMs: 4_000, uncertaintyMs: 5 });
  cache.set(ref, measuredFromSample(sample, link, cache.clock, ttl), 'absent');
}

export const syncFailure = { trigger: 'absent', failureClass: 'timeout', durationMs: 1 } as const;

/** Once everything that happens once a process has happened, and as many connections are open as it ever needs. */
async function warm(stage: Stage): Promise<ConnectorState> {
  const state = await stage.start();
  await sync(state);
  await state.flush();
  await state.cache.getStats();
  await state.cache.history(REF.userId, REF.credentialId);
  return state;
}

type Play = (stage: Stage) => Promise<number>;

/** What an operation of a process costs that has been at work for a while. */
const whenWarm =
  (
    operation: (state: ConnectorState) => Promise<unknown>,
    before?: (state: ConnectorState) => unknown,
  ): Play =>
  async stage => {
    const state = await warm(stage);
    let told = NaN;
    for (let left = stage.times ?? 1; left > 0; left--) {
      await before?.(state);
      told = await stage.link.count(() => operation(state));
    }
    return told;
  };

export const OPERATIONS = {
  'create + first get': async stage =>
    stage.link.count(async () => {
      const { cache } = await stage.start();
      await cache.get(STRANGER);
    }),
  get: whenWarm(({ cache }) => cache.get(STRANGER)),
  history: whenWarm(({ cache }) => cache.history(REF.userId, REF.credentialId)),
  getStats: whenWarm(({ cache }) => cache.getStats()),
  'one fact + flush': whenWarm(async state => {
    state.cache.recordSyncFailure(REF, syncFailure);
    await state.flush();
  }),
  'get + sync + flush': whenWarm(async state => {
    await sync(state);
    await state.flush();
  }),
  '20 syncs + one flush': whenWarm(async state => {
    const link = linkOf(await state.cache.peek(STRANGER));
    for (let n = 0; n < 20; n++) recordSync(state.cache, link, other(n));
    await state.flush();
  }),
  invalidate: whenWarm(
    ({ cache }) => cache.invalidate(REF.userId, REF.credentialId),
    async state => {
      await sync(state);
      await state.flush();
    },
  ),
  'close with one fact waiting': stage =>
    whenWarm(
      state => state.close(),
      state => state.cache.recordSyncFailure(REF, syncFailure),
    )({ ...stage, times: 1 }),
} satisfies Record<string, Play>;

export type Operation = keyof typeof OPERATIONS;
