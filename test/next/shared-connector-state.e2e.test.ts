/** One connector-state a process, however often and from how many bundles its module is evaluated. */
import { expect, test } from '@jest/globals';
import { runNode } from '../support/run.js';
import { givenWorld } from '../support/world.js';

test('sharedConnectorState() is one through reloads, of both module systems, and none while Next.js builds', async () => {
  const { databaseUrl } = await givenWorld();
  const { stdout, stderr } = await runNode(['test/next/reload.mjs'], {
    env: { URL_OF_OPTIONS: databaseUrl, DATABASE_URL: undefined, LOOKUP_DEADLINE_MS: '10000' },
  });
  expect({ ...JSON.parse(stdout || '{}'), stderr }).toMatchObject({
    instances: 1,
    connections: 1,
    printed: false,
    warnings: ['CONNECTOR_STATE_OPTIONS'],
    isNew: true,
    building: 'BUILD_PHASE',
  });
}, 60_000);
