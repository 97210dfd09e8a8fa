/** A connection opened ahead of its request: what it may do, and all that may become of it. */
import { type AddressInfo, createServer, type Server, Socket } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import type { ClockSample } from '../../src/clock/offset.js';
import { createHttpTransport } from '../../src/exchanges/http-transport.js';
import type { ExchangeSimulator } from '../../src/exchanges/simulator/index.js';
import type { SdkExchange } from '../support/two-exchanges.js';
import { closing, eventually } from '../support/world.js';
import { BOTH, errorOf, givenAdapter, givenSimulator } from './support.js';

const connections = (simulator: ExchangeSimulator, exchange: SdkExchange) =>
  simulator.counters(exchange).connections;

async function listening(onConnection: (socket: Socket) => void): Promise<{ server: Server; url: string }> {
  const sockets = new Set<Socket>();
  const server = createServer(socket => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    onConnection(socket);
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  closing({
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise(resolve => server.close(resolve));
    },
  });
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

describe.each(BOTH)('a connection opened early to %s', exchange => {
  it('sends nothing, and carries the first request', async () => {
    const simulator = await givenSimulator();
    const adapter = givenAdapter(exchange, simulator);
    expect(connections(simulator, exchange)).toBe(0);

    adapter.openConnection();
    await eventually(() => connections(simulator, exchange) === 1);
    expect(simulator.counters(exchange).requests).toBe(0);
    await adapter.verifyAccount();

    expect(simulator.counters(exchange)).toMatchObject({ connections: 1, accepted: 1, requests: 1 });
  });

  it('carries the first request too when it is still on its way', async () => {
    const simulator = await givenSimulator();
    const adapter = givenAdapter(exchange, simulator);
    adapter.openConnection();
    await adapter.verifyAccount();
    expect(simulator.counters(exchange)).toMatchObject({ connections: 1, accepted: 1 });
  });

  it('is one, however often it is asked for, and none while another lies idle', async () => {
    const simulator = await givenSimulator();
    const adapter = givenAdapter(exchange, simulator);
    adapter.openConnection();
    adapter.openConnection();
    await adapter.verifyAccount();
    adapter.openConnection();
    await adapter.verifyAccount();
    expect(simulator.counters(exchange)).toMatchObject({ connections: 1, accepted: 2 });
  });

  it('leaves a true sample: sent when the request was, not when the connection was opened', async () => {
    const now = () => performance.timeOrigin + performance.now();
    const simulator = await givenSimulator({ now });
    const samples: ClockSample[] = [];
    const adapter = givenAdapter(exchange, simulator, { now, onSample: sample => samples.push(sample) });
    adapter.openConnection();
    await eventually(() => connections(simulator, exchange) === 1);

    const calledAtMs = now();
    const sample = await adapter.serverTime();

    expect(sample.sentAtMs).toBeGreaterThanOrEqual(calledAtMs);
    expect(sample.serverTimeMs).toBeGreaterThan(sample.sentAtMs - 1);
    expect(sample.serverTimeMs).toBeLessThanOrEqual(sample.receivedAtMs);
  });

  it('may fail: nobody hears of it, and the request opens its own', async () => {
    const simulator = await givenSimulator({ knobs: { outage: 'refuse' } });
    const adapter = givenAdapter(exchange, simulator);
    adapter.openConnection();
    // The same address is refused to us too, so by then it was to the adapter.
    expect(await errorOf(givenAdapter(exchange, simulator).verifyAccount())).toMatchObject({
      code: 'EXCHANGE_UNREACHABLE',
      exchangeCode: 'ECONNREFUSED',
    });
    await simulator.set({ outage: 'none' });

    await adapter.verifyAccount();

    expect(simulator.counters(exchange)).toMatchObject({ connections: 1, accepted: 1 });
  });

  it('may be ended by the exchange before it is used', async () => {
    const simulator = await givenSimulator();
    const adapter = givenAdapter(exchange, simulator);
    adapter.openConnection();
    await eventually(() => connections(simulator, exchange) === 1);
    await simulator.set({ outage: 'refuse' });
    await simulator.set({ outage: 'none' });

    await adapter.verifyAccount();

    expect(simulator.counters(exchange)).toMatchObject({ accepted: 1, requests: 1 });
  });

  it('may be dead without our knowing: the request goes out again on a fresh one', async () => {
    const simulator = await givenSimulator();
    const target = new URL(exchange === 'BYBIT' ? simulator.bybitUrl : simulator.bingxUrl);
    let accepted = 0;
    const { url } = await listening(near => {
      accepted++;
      if (accepted === 1) {
        near.once('data', () => near.resetAndDestroy());
      } else {
        const far = new Socket().connect(Number(target.port), target.hostname);
        near.pipe(far).pipe(near);
      }
    });
    const adapter = givenAdapter(exchange, simulator, { baseUrl: url });
    adapter.openConnection();
    await eventually(() => accepted === 1);

    await adapter.verifyAccount();

    expect(accepted).toBe(2);
    expect(simulator.counters(exchange)).toMatchObject({ accepted: 1, requests: 1 });
  });

  it('ends with the adapter when nothing used it, and is not opened after', async () => {
    const simulator = await givenSimulator();
    const ended: Promise<void>[] = [];
    const { url } = await listening(socket => {
      ended.push(new Promise(resolve => socket.once('close', () => resolve())));
    });
    const adapter = givenAdapter(exchange, simulator, { baseUrl: url });
    adapter.openConnection();
    await eventually(() => ended.length === 1);

    adapter.close();
    await Promise.all(ended);
    adapter.openConnection();

    await expect(adapter.verifyAccount()).rejects.toMatchObject({ code: 'CLOSED' });
    expect(ended).toHaveLength(1);
  });
});

describe('a connection opened early', () => {
  it('is for the host that it leads to', async () => {
    const simulator = await givenSimulator();
    const transport = closing(createHttpTransport({ timeoutMs: 10_000, now: () => 0 }));
    transport.open(simulator.bybitUrl);
    await eventually(() => connections(simulator, 'BYBIT') === 1);

    const reply = await transport.send({
      method: 'GET',
      url: `${simulator.bingxUrl}/openApi/swap/v2/server/time`,
      headers: {},
    });

    expect(reply).toMatchObject({ status: 200 });
    expect(simulator.counters('BINGX').requests).toBe(1);
    expect(simulator.counters('BYBIT').requests).toBe(0);
  });
});
