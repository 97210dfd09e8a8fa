/** Metrics in a registry that the user brings: counted by real inits against the simulator, looked at by scrapes. */
import { describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';
import { DEFAULT_SCOPE } from '../../src/events/connector.js';
import { ACCOUNT, givenWorld, type World } from '../support/world.js';

/** Samples by their name and labels, as Prometheus reads them. */
async function scrape(registry: Registry): Promise<Map<string, number>> {
  const text = await registry.metrics();
  const samples = new Map<string, number>();
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const end = line.lastIndexOf(' ');
    samples.set(line.slice(0, end), Number(line.slice(end + 1)));
  }
  return samples;
}

async function givenMetrics(world: World, options = {}) {
  const registry = new Registry();
  const process = await world.process({ metrics: registry, ...options });
  return { registry, process };
}

/** The gauges are of the exchanges' own hosts, and a simulator is none. */
const pretendOwnHost = (world: World) => world.sql('UPDATE exchange_clock SET scope = $1', [DEFAULT_SCOPE]);

const PLACE = 'exchange="BYBIT",environment="TESTNET"';

describe('metrics', () => {
  it('count what an init does, by tier and outcome, and tell the clock that it measured', async () => {
    const world = await givenWorld({ knobs: { skewMs: 2_500 } });
    const { registry, process } = await givenMetrics(world);
    const init = (userId: string) => world.connector(process, 'BYBIT', { userId }).initialize();

    await init('alice');
    await process.flush();
    await init('alice');
    await init('bob');
    await process.flush();
    await pretendOwnHost(world);
    const samples = await scrape(registry);

    expect(samples.get('connector_state_lookups_total{tier="none",outcome="absent"}')).toBe(2);
    expect(samples.get('connector_state_lookups_total{tier="memory",outcome="hit"}')).toBe(1);
    expect(samples.get('connector_state_lookup_duration_seconds_count{tier="memory"}')).toBe(1);
    const inits = (contact: string, outcome: string) =>
      samples.get(`connector_state_inits_total{${PLACE},contact="${contact}",outcome="${outcome}"}`);
    expect(inits('sync', 'miss')).toBe(1);
    expect(inits('state', 'hit')).toBe(1);
    expect(inits('exchange-clock', 'hit')).toBe(1);
    expect(samples.get(`connector_state_init_duration_seconds_count{${PLACE},outcome="hit"}`)).toBe(2);
    expect(samples.get(`connector_state_syncs_total{${PLACE},trigger="absent",outcome="ok"}`)).toBe(1);
    expect(samples.get('connector_state_database_up')).toBe(1);
    expect(samples.get('connector_state_projector_lag_events')).toBe(0);
    expect(samples.get('connector_state_projector_stopped')).toBe(0);
    expect(samples.get('connector_state_recorder_pending')).toBe(0);
    expect(samples.get('connector_state_breaker_state{state="closed"}')).toBe(1);
    const bound = samples.get(`connector_state_clock_offset_bound_seconds{${PLACE}}`) ?? Number.NaN;
    const offset = samples.get(`connector_state_clock_offset_seconds{${PLACE}}`) ?? Number.NaN;
    expect(Math.abs(offset - 2.5)).toBeLessThanOrEqual(bound);
    expect(samples.get(`connector_state_clock_distance_to_refusal_seconds{${PLACE}}`)).toBeCloseTo(2 - bound);
    expect(samples.get(`connector_state_clock_ttl_seconds{${PLACE}}`)).toBeGreaterThan(0);
    expect(samples.get(`connector_state_clock_drift_bound_ratio{${PLACE}}`)).toBeGreaterThan(0);
  });

  it('count refusals, failures and lateness with their class', async () => {
    const world = await givenWorld();
    const { registry, process } = await givenMetrics(world);
    const wrong = { apiKey: ACCOUNT.apiKey, apiSecret: 'notTheSecret1' };
    await expect(
      world.connector(process, 'BYBIT', { credentials: wrong }).initialize(),
    ).rejects.toMatchObject({ code: 'EXCHANGE_REFUSED' });
    const samples = await scrape(registry);
    expect(samples.get(`connector_state_auth_failures_total{${PLACE},class="credentials"}`)).toBe(1);
    expect(samples.get(`connector_state_inits_total{${PLACE},contact="none",outcome="failed"}`)).toBe(1);
    expect(samples.get('connector_state_facts_total{type="ConnectorAuthFailed"}')).toBe(1);
  });

  it('go by the conventions: prefix, help, unit or _total, and no label that names anybody', async () => {
    const world = await givenWorld();
    const { registry, process } = await givenMetrics(world);
    await world
      .connector(process, 'BINGX', { userId: 'canary-user', clockScope: 'canary-scope' })
      .initialize();
    await process.flush();
    const text = await registry.metrics();
    expect(text).not.toContain('canary');
    for (const { name, help, type } of await registry.getMetricsAsJSON()) {
      expect(name).toMatch(/^connector_state_[a-z_]+$/);
      expect(help.length).toBeGreaterThan(10);
      expect(name.endsWith('_total')).toBe(String(type) === 'counter');
      if (String(type) === 'histogram') expect(name).toMatch(/_seconds$/);
    }
  });

  it('of two states in one registry are counted together, and those of a closed one are gone', async () => {
    const world = await givenWorld();
    const { registry, process } = await givenMetrics(world);
    const another = await world.process({ metrics: registry });
    const count = async () => (await scrape(registry)).get('connector_state_breaker_state{state="closed"}');
    expect(await count()).toBe(2);
    await another.close();
    expect(await count()).toBe(1);
    await process.close();
    expect(await count()).toBe(0);
  });

  it('tell of a database that is away, and give no old figure for a new one', async () => {
    const world = await givenWorld();
    const proxy = await world.proxy();
    const { registry, process } = await givenMetrics(world, { databaseUrl: proxy.url });
    await world.connector(process, 'BYBIT').initialize();
    await process.flush();
    await pretendOwnHost(world);
    expect((await scrape(registry)).get('connector_state_database_up')).toBe(1);
    await proxy.refuse();
    let samples = await scrape(registry);
    // Scrapes of one second share what they look at.
    while (samples.get('connector_state_database_up') === 1) samples = await scrape(registry);
    expect(samples.get('connector_state_database_up')).toBe(0);
    expect([...samples.keys()].filter(key => /clock_|projector_lag|outbox/.test(key))).toEqual([]);
    await proxy.recover();
  });
});
