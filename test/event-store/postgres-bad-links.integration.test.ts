/**
 * What a bad link does to an append: cut, stalled or ended by the server behind any message, either way. It is stored once
 * or not at all, the caller knows or is told that he cannot know, and the pool hands out no connection in doubt.
 */
import { describe, expect, it } from '@jest/globals';
import { isConnectorStateError } from '../../src/base/errors.js';
import { silentLogger } from '../../src/base/logging.js';
import { createPostgresEventStore } from '../../src/event-store/postgres/index.js';
import type { NewEvent } from '../../src/events/event.js';
import { createPool } from '../../src/postgres/pool.js';
import { sampleConnector } from '../contract/sample-events.js';
import { type CountingProxy, type Fault, startCountingProxy } from '../support/counting-proxy.js';
import { closing, givenWorld } from '../support/world.js';

const STALL_MS = 400;

function givenStore(connectionString: string, appendTimeoutMs?: number) {
  const pool = createPool({ connectionString, max: 1, log: silentLogger });
  const store = createPostgresEventStore({ pool, appendTimeoutMs });
  return { store, close: () => store.close().then(() => pool.end()) };
}

/** The append with the fault, then the same once more without. */
async function appendThrough(
  proxy: CountingProxy,
  events: readonly NewEvent[],
  expectedVersions: Readonly<Record<string, number>>,
  fault: Fault | undefined,
) {
  const { store, close } = givenStore(proxy.url, fault?.effect === 'stall' ? STALL_MS : undefined);
  await store.head();
  proxy.messages();
  proxy.fail(fault);
  const first = await store.append(events, { expectedVersions }).catch((error: Error) => error);
  const messages = proxy.messages();
  proxy.fail(undefined);
  // A connection that died while it lay in the pool is met once.
  const again = () => store.append(events, { expectedVersions, timeoutMs: 10_000 });
  let second = await again().catch(() => undefined);
  for (let tries = 0; !second && tries < 20; tries++) second = await again().catch(() => undefined);
  await close();
  return { first, second, messages };
}

describe.each(['cut', 'shutdown', 'stall'] as const)('an append over a link with a %s', effect => {
  it.each(
    (['client', 'server'] as const).flatMap(from =>
      [true, false].map(isConditional => ({ from, isConditional })),
    ),
  )(
    'behind any message of the $from, at an expected version: $isConditional',
    async given => {
      const world = await givenWorld();
      const proxy = closing(await startCountingProxy(world.databaseUrl));
      const own = closing(givenStore(world.databaseUrl));
      const connector = sampleConnector();
      let version = 0;
      const expected = () => (given.isConditional && version > 0 ? { [connector.stateStream]: version } : {});
      const batch = () => [connector.fact(), connector.fact()];
      const { messages } = await appendThrough(proxy, batch(), expected(), undefined);
      version += 2;
      const ofSide = messages.filter(message => message.startsWith('>') === (given.from === 'client')).length;
      expect(ofSide).toBeGreaterThan(2);
      let told = 0;

      for (let message = 1; message <= ofSide; message++) {
        const events = batch();
        const { first, second } = await appendThrough(proxy, events, expected(), {
          from: given.from,
          message,
          effect,
        });
        if (first instanceof Error) {
          told++;
          expect(
            isConnectorStateError(first, 'EVENT_STORE_FAILED') &&
              (first as { transient?: boolean }).transient,
          ).toBe(true);
        }
        expect(second?.events.map(event => event.version)).toEqual([version + 1, version + 2]);
        version += 2;
        const stored = await own.store.readStream(connector.stateStream, { fromVersion: version - 1 });
        expect(stored.map(({ id }) => id)).toEqual(events.map(({ id }) => id));
      }
      expect(told).toBeGreaterThan(0);
    },
    300_000,
  );
});
