/**
 * What each public operation costs in round trips, exactly as docs/benchmarks.md says. Whoever adds a statement that
 * waits sees it here.
 */
import { describe, expect, it } from '@jest/globals';
import type { ConnectorStateOptions } from '../../src/connector-state.js';
import { startCountingProxy } from '../support/counting-proxy.js';
import { createTestDatabase } from '../support/database.js';
import { closing, givenWorld, type World } from '../support/world.js';
import { documentedCounts } from './documented.js';
import { OPERATIONS } from './operations.js';

async function countAll(world: World, options: ConnectorStateOptions, tls = false) {
  const counts: Record<string, number> = {};
  for (const [name, play] of Object.entries(OPERATIONS)) {
    const proxy = closing(await startCountingProxy(world.databaseUrl, { tls }));
    const start = (more: ConnectorStateOptions = {}) =>
      world.process({ databaseUrl: proxy.url, ...options, ...more });
    counts[name] = await play({ proxy, start });
  }
  return counts;
}

const documented = documentedCounts();

describe('round trips to the database', () => {
  it.each(['inline', 'worker'] as const)('are those documented, PROJECTION=%s', async projection => {
    const world = await givenWorld();
    expect(await countAll(world, { projection })).toEqual(documented[projection]);
  });

  it('are those documented, over TLS', async () => {
    const world = await givenWorld();
    expect(await countAll(world, { projection: 'inline' }, true)).toEqual(documented['inline, TLS']);
  });

  it('are the same with statements that have no names', async () => {
    const world = await givenWorld();
    const options = { projection: 'inline', namedStatements: false } as const;
    expect(await countAll(world, options)).toEqual(documented.inline);
  });

  it('are those documented, with events in another PostgreSQL', async () => {
    const world = await givenWorld();
    const events = await createTestDatabase();
    closing({ close: () => events.drop() });
    const counts = await countAll(world, { projection: 'inline', eventStoreUrl: events.url });
    expect(counts).toEqual(documented['inline, events elsewhere']);
  });
});
