/** What operators ask: metrics, and whether the process lives and can do its work. */
import { describe, expect, it } from '@jest/globals';
import { synced } from '../support/facts.js';
import { givenWorld } from '../support/world.js';
import { givenServer } from './support.js';

const STATE = '/v1/connectors/BYBIT/TESTNET/alice/main/state';

describe('GET /metrics', () => {
  it('counts lookups and requests by their route, and knows every pool', async () => {
    const { ask } = await givenServer();
    await ask(STATE);
    await ask('/no/such/canary-path');
    const { status, headers, body } = await ask('/metrics');
    expect(status).toBe(200);
    expect(headers['content-type']).toMatch(/^text\/plain; version=0\.0\.4/);
    expect(body).toContain('connector_state_lookups_total{tier="none",outcome="absent"} 1');
    expect(body).toContain(
      'connector_state_http_request_duration_seconds_count{method="GET",route="/v1/connectors/:exchange/:environment/:userId/:credentialId/state",status="200"} 1',
    );
    for (const pool of ['lookups', 'upkeep', 'analytics']) {
      expect(body).toContain(`connector_state_pool_waiting{pool="${pool}"} 0`);
    }
    expect(body).toContain('connector_state_database_up 1');
    expect(body).toContain('connector_state_breaker_state{state="closed"} 1');
    expect(body).not.toContain('canary');
    expect(body).not.toContain('alice');
  });

  it('is for who may read, and no tenant', async () => {
    const { ask } = await givenServer();
    expect((await ask('/metrics', 'nobody')).status).toBe(401);
    expect((await ask('/metrics', 'writer')).status).toBe(403);
    expect((await ask('/metrics', 'reader@alice')).status).toBe(404);
    expect((await ask('/metrics', 'reader')).status).toBe(200);
  });
});

describe('health', () => {
  const asNobody = { authorization: '' };

  it('is told to anybody: it lives, and is ready', async () => {
    const { ask } = await givenServer();
    const live = await ask({ method: 'GET', url: '/health/live', headers: asNobody });
    expect(live).toMatchObject({ status: 200, body: { status: 'live' } });
    const ready = await ask({ method: 'GET', url: '/health/ready', headers: asNobody });
    expect(ready).toMatchObject({
      status: 200,
      body: { status: 'ready', checks: { database: 'ok', projector: 'ok' } },
    });
  });

  it('is not ready while the database is away, lives all the same, and is ready again', async () => {
    const world = await givenWorld();
    const proxy = await world.proxy();
    const { ask } = await givenServer({ world, process: { databaseUrl: proxy.url } });
    expect((await ask('/health/ready')).status).toBe(200);
    await proxy.refuse();
    const away = await ask('/health/ready');
    expect(away).toMatchObject({
      status: 503,
      body: { status: 'not-ready', checks: { database: 'failing' } },
    });
    expect((await ask('/health/live')).status).toBe(200);
    await proxy.recover();
    while ((await ask('/health/ready')).status !== 200) await new Promise(setImmediate);
  });

  it('is not ready while the log is not the one that the tables were made from', async () => {
    const { ask, world, state } = await givenServer();
    await (await state.store()).append([synced()]);
    await (await state.projector()).catchUp();
    await world.sql(
      `UPDATE projection_checkpoint SET position = 'pg/999999',
         log_mark = '{"log":"0193b3a0-0000-7000-8000-000000000001","id":"0193b3a0-0000-7000-8000-000000000002","at":"pg/999999"}'`,
    );
    const { status, body } = await ask('/health/ready');
    expect({ status, ...body }).toMatchObject({
      status: 'not-ready',
      checks: { database: 'ok', projector: 'failing' },
    });
  });
});
