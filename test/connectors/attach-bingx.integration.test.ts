/** bingx-api's own client, attached to a connector's clock. */
import { describe, expect, it } from '@jest/globals';
import { ApiAccount, BingxApiClient, OrderSideEnum, OrderTypeEnum } from 'bingx-api';
import fc from 'fast-check';
import type { BingxConnectorWithCache } from '../../src/connectors/bingx-with-cache.connector.js';
import type { Fault } from '../../src/exchanges/simulator/index.js';
import { steerableMachine } from '../support/clocks.js';
import { ACCOUNT, givenWorld, type Process, type World } from '../support/world.js';

const account = new ApiAccount(ACCOUNT.apiKey, ACCOUNT.apiSecret);

async function givenClient(
  world: World,
  processOptions: Parameters<World['process']>[0] = {},
  timeoutMs = 10_000,
): Promise<{ process: Process; connector: BingxConnectorWithCache; client: BingxApiClient }> {
  const process = await world.process(processOptions);
  const connector = world.connector(process, 'BINGX', { timeoutMs }) as BingxConnectorWithCache;
  await connector.initialize();
  const client = new (connector.attach(BingxApiClient))();
  world.simulator.clearFaults('BINGX');
  sentBefore.set(world, world.simulator.requests('BINGX').length);
  return { process, connector, client };
}
const sentBefore = new WeakMap<World, number>();

/** Of the client's requests. */
const outcomes = (world: World): string[] =>
  world.simulator
    .requests('BINGX')
    .slice(sentBefore.get(world))
    .filter(({ route }) => route === 'order' || route === 'verify')
    .map(({ outcome }) => outcome);

const balance = (client: BingxApiClient) =>
  client.getAccountService().getPerpetualSwapAccountAssetInformation(account);

const order = (client: BingxApiClient, clientOrderID: string) =>
  client.getTradeService().tradeOrder(
    {
      symbol: 'BTC-USDT',
      type: OrderTypeEnum.MARKET,
      side: OrderSideEnum.BUY,
      quantity: '1',
      clientOrderID,
    },
    account,
  );

describe('an attached BingxApiClient', () => {
  it('signs by the exchange clock, one timestamp a request, for the connector’s host', async () => {
    const world = await givenWorld({ knobs: { skewMs: 61_000 } });
    const { client } = await givenClient(world);

    expect(client).toBeInstanceOf(BingxApiClient);
    expect(await balance(client)).toMatchObject({ code: 0, data: { balance: { asset: 'USDT' } } });
    expect(await order(client, 'a')).toMatchObject({ code: 0, data: { order: { clientOrderID: 'a' } } });
    expect(world.simulator.executed('BINGX')).toEqual([
      { symbol: 'BTC-USDT', side: 'BUY', clientOrderId: 'a' },
    ]);
  });

  it.each([-7_000, 9_000])('heals a step of %i ms with one refusal', async ms => {
    const world = await givenWorld();
    const { client, connector } = await givenClient(world);
    world.simulator.step(ms, 'BINGX');

    expect(await order(client, 'a')).toMatchObject({ code: 0 });
    expect(await balance(client)).toMatchObject({ code: 0 });

    expect(outcomes(world)).toEqual(['100421', '0', '0']);
    expect(world.simulator.executed('BINGX')).toHaveLength(1);
    expect(connector.now()).toMatchObject({ epoch: 2, status: 'synchronized' });
  });

  it('measures first after a suspend', async () => {
    const world = await givenWorld();
    const clock = steerableMachine();
    const { client } = await givenClient(world, { clock });
    clock.freeze(8_000);
    expect(await balance(client)).toMatchObject({ code: 0 });
    expect(outcomes(world)).toEqual(['0']);
  });

  it('resolves to refusals, as the SDK does, and says when requests are taken again', async () => {
    const world = await givenWorld();
    const { client } = await givenClient(world);
    world.simulator.fault({ kind: 'code', code: 100421, message: 'this pair is restricted' }, 'BINGX');
    expect(await balance(client)).toMatchObject({ code: 100421 });
    world.simulator.fault({ kind: 'code', code: 100421, message: 'Null timestamp', times: 2 }, 'BINGX');
    expect(await balance(client)).toMatchObject({ code: 100421 });
    expect(outcomes(world)).toHaveLength(3);

    await world.simulator.set({ rateLimit: { requests: 0, perMs: 60_000 } }, 'BINGX');
    const error = await balance(client).catch(thrown => thrown);
    expect(error).toMatchObject({ code: 'EXCHANGE_REFUSED', reason: 'rate-limit', exchangeCode: '100410' });
    expect(error.retryAfterMs).toBeGreaterThan(0);
    expect(JSON.stringify({ ...error, message: error.message })).not.toContain(ACCOUNT.apiKey);
  });

  it('never sends an order twice that may have been executed', async () => {
    const world = await givenWorld();
    const { client } = await givenClient(world, {}, 2_000);
    const bad: fc.Arbitrary<Fault | { kind: 'step'; ms: number } | { kind: 'none' }> = fc.oneof(
      fc.constantFrom<Fault>(
        { kind: 'lost', route: 'order' },
        { kind: 'cut', route: 'order' },
        { kind: 'reset', route: 'order' },
        { kind: 'malformed-json', route: 'order' },
        { kind: 'http', status: 502, body: '', route: 'order' },
        { kind: 'code', code: 100500, route: 'order' },
        { kind: 'code', code: 100421, route: 'order' },
      ),
      fc.integer({ min: -20_000, max: 20_000 }).map(ms => ({ kind: 'step' as const, ms })),
      fc.constant({ kind: 'none' as const }),
    );
    let number = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(bad, { minLength: 1, maxLength: 4 }), async days => {
        world.simulator.clearFaults('BINGX');
        for (const day of days) {
          if (day.kind === 'step') world.simulator.step(day.ms, 'BINGX');
          else if (day.kind !== 'none') world.simulator.fault(day, 'BINGX');
        }
        await Promise.allSettled(days.map(() => order(client, `p${number++}`)));
        const executed = world.simulator.executed('BINGX').map(each => each.clientOrderId);
        expect(new Set(executed).size).toBe(executed.length);
      }),
      { numRuns: 60 },
    );
    expect(world.simulator.executed('BINGX').length).toBeGreaterThan(20);
  });

  it('ends requests under way, and later ones, when its connector is closed', async () => {
    const world = await givenWorld();
    const { client, connector } = await givenClient(world);
    await world.simulator.set({ latencyMs: { verify: 600_000 } }, 'BINGX');
    const underWay = balance(client).catch(error => error);
    await world.simulator.set({ latencyMs: { verify: 0 } }, 'BINGX');
    connector.close();
    expect(await underWay).toMatchObject({ name: expect.stringMatching(/Error$/), code: expect.any(String) });
    await expect(balance(client)).rejects.toMatchObject({ code: 'CLOSED' });
  });

  it('is made from the class alone', async () => {
    const world = await givenWorld();
    const { client, connector } = await givenClient(world);
    expect(connector.attach(BingxApiClient)).toBe(connector.attach(BingxApiClient));
    expect(() => connector.attach(client as never)).toThrow(/not a client made of it/);
  });
});
