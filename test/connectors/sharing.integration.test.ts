/** Connectors that share a measurement, when sharing it would do harm. */
import { describe, expect, it } from '@jest/globals';
import { ConnectorWithCache } from '../../src/connectors/connector-with-cache.js';
import { createBingxAdapter } from '../../src/exchanges/bingx/index.js';
import { createBybitAdapter } from '../../src/exchanges/bybit/index.js';
import type { AdapterOptions, ExchangeAdapter } from '../../src/exchanges/exchange-adapter.js';
import { profileOf } from '../../src/exchanges/registry.js';
import type { SdkExchange } from '../support/two-exchanges.js';
import {
  ACCOUNT,
  BOTH,
  closing,
  eventually,
  givenWorld,
  measurements,
  type Process,
  type World,
} from '../support/world.js';

const ADAPTER = { BYBIT: createBybitAdapter, BINGX: createBingxAdapter } as const;

class Gate {
  #open: () => void = () => undefined;
  #opened: Promise<void> = Promise.resolve();

  close(): void {
    this.#opened = new Promise(resolve => {
      this.#open = resolve;
    });
  }

  open(): void {
    this.#open();
  }

  get opened(): Promise<void> {
    return this.#opened;
  }
}

/** The real connector, but that a request waits to be sent, or its answer to be heard, until the test says. */
class GatedConnector extends ConnectorWithCache {
  readonly verification: Gate;
  readonly measured: Gate;

  constructor(world: World, process: Process, exchange: SdkExchange, userId: string) {
    const verification = new Gate();
    const measured = new Gate();
    const createAdapter = (options: AdapterOptions): ExchangeAdapter => {
      const adapter = ADAPTER[exchange](options);
      return {
        ...adapter,
        async verifyAccount() {
          await verification.opened;
          await adapter.verifyAccount();
        },
        async serverTime() {
          const sample = await adapter.serverTime();
          await measured.opened;
          return sample;
        },
      };
    };
    super(profileOf(exchange), createAdapter, {
      cache: process.cache,
      userId,
      credentialId: 'cred456',
      environment: 'TESTNET',
      credentials: ACCOUNT,
      baseUrl: exchange === 'BYBIT' ? world.simulator.bybitUrl : world.simulator.bingxUrl,
    });
    this.verification = verification;
    this.measured = measured;
  }
}

describe.each(BOTH)('%s connectors that measure at once', exchange => {
  it('heal from a refusal with what was measured after it, not with what was under way', async () => {
    const world = await givenWorld();
    const process = await world.process();
    const [early, late] = ['early', 'late'].map(userId =>
      closing(new GatedConnector(world, process, exchange, userId)),
    ) as [GatedConnector, GatedConnector];
    await early.initialize();
    await late.initialize();
    await world.later();
    // Refusals that do not tell the time, so that healing needs a measurement.
    world.simulator.fault({ kind: 'wrong-time', route: 'verify', times: 10 }, exchange);

    late.verification.close();
    const healedLate = late.initialize();
    world.simulator.step(-3_000, exchange);
    early.measured.close();
    const healedEarly = Promise.allSettled([early.initialize()]);
    await eventually(() => expect(measurements(world, exchange)).toBe(2));
    // The clock that the early one has read is gone when the late one is refused.
    world.simulator.step(-3_000, exchange);
    late.verification.open();
    const result = await healedLate;
    early.measured.open();
    await healedEarly;

    expect(result).toMatchObject({ tier: 'memory', authFailures: 1 });
    expect(Math.abs(result.offsetMs + 6_000)).toBeLessThanOrEqual(result.uncertaintyMs);
    expect(measurements(world, exchange)).toBe(3);
  });

  it('go on without the one that measured when it is closed', async () => {
    const world = await givenWorld();
    const process = await world.process();
    const [first, ...others] = ['a', 'b', 'c'].map(userId => world.connector(process, exchange, { userId }));
    world.simulator.fault({ kind: 'hang', route: 'time' }, exchange);
    const failed = Promise.allSettled([first?.initialize()]);
    await eventually(() => expect(measurements(world, exchange)).toBe(1));
    const started = Promise.all(others.map(connector => connector.initialize()));
    await eventually(() => expect(process.log.text().match(/Cache MISS/g)).toHaveLength(3));

    first?.close();

    expect(await started).toMatchObject([
      { cacheHit: false, authFailures: 0 },
      { cacheHit: false, authFailures: 0 },
    ]);
    expect(await failed).toMatchObject([{ status: 'rejected', reason: { code: 'CLOSED' } }]);
    // One of the two measured, for both.
    expect(measurements(world, exchange)).toBe(2);
  });
});
