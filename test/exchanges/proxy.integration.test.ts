/** What the environment says of proxies, and what an agent of the user's is used for. */
import http, { Agent } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { createBybitAdapter } from '../../src/exchanges/bybit/index.js';
import { closing, eventually } from '../support/world.js';
import { BOTH, CANARY, errorOf, FROZEN_MS, givenAdapter, givenSimulator } from './support.js';

const NAMES = ['HTTPS_PROXY', 'HTTP_PROXY', 'ALL_PROXY', 'NO_PROXY'];
const before = Object.fromEntries(NAMES.flatMap(n => [n, n.toLowerCase()]).map(n => [n, process.env[n]]));

afterEach(() => {
  for (const [name, value] of Object.entries(before)) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
});

/** Passes plain requests on; `answer` is what it says to CONNECT instead. */
async function givenProxy(answer = 'HTTP/1.1 407 Proxy Authentication Required') {
  const seen: string[] = [];
  const proxy = http.createServer((request, response) => {
    seen.push(`${request.method} ${request.url} ${request.headers['proxy-authorization'] ?? ''}`.trim());
    const onward = http.request(
      request.url ?? '',
      { method: request.method, headers: request.headers },
      reply => {
        response.writeHead(reply.statusCode ?? 0, reply.headers);
        reply.pipe(response);
      },
    );
    onward.on('error', () => response.destroy());
    onward.end();
  });
  proxy.on('connect', (request, socket) => {
    seen.push(`CONNECT ${request.url}`);
    socket.end(`${answer}\r\n\r\n`);
  });
  await new Promise<void>(resolve => proxy.listen(0, '127.0.0.1', resolve));
  closing({
    close: () => {
      proxy.closeAllConnections();
      return new Promise(resolve => proxy.close(resolve));
    },
  });
  /** From here on nobody answers there; what is under way is cut. */
  const die = () => {
    proxy.close();
    proxy.closeAllConnections();
  };
  return { seen, die, host: `127.0.0.1:${(proxy.address() as AddressInfo).port}` };
}

describe.each(BOTH)('requests to %s', exchange => {
  it('go through the proxy that HTTP_PROXY names, with its user', async () => {
    const simulator = await givenSimulator();
    const proxy = await givenProxy();
    process.env.HTTP_PROXY = `http://user:pass@${proxy.host}`;
    const adapter = givenAdapter(exchange, simulator);
    adapter.openConnection();
    await adapter.verifyAccount();
    await adapter.verifyAccount();

    expect(proxy.seen).toHaveLength(2);
    expect(proxy.seen[0]).toContain('Basic dXNlcjpwYXNz');
    expect(simulator.counters(exchange).accepted).toBe(2);
  });

  it('fail at once when their proxy dies, under way or before', async () => {
    const simulator = await givenSimulator({
      knobs: { latencyMs: { time: 0, verify: 600_000, funding: 0 } },
    });
    const proxy = await givenProxy();
    process.env.HTTP_PROXY = `http://${proxy.host}`;
    const adapter = givenAdapter(exchange, simulator, { timeoutMs: 60_000 });
    const underWay = errorOf(adapter.verifyAccount());
    await eventually(() => expect(proxy.seen).toHaveLength(1));
    proxy.die();
    expect(await underWay).toMatchObject({ code: 'EXCHANGE_UNREACHABLE', exchangeCode: 'ECONNRESET' });
    expect(await errorOf(adapter.verifyAccount())).toMatchObject({
      code: 'EXCHANGE_UNREACHABLE',
      exchangeCode: 'ECONNREFUSED',
    });
  });

  it('go past it to a host that NO_PROXY names', async () => {
    const simulator = await givenSimulator();
    const proxy = await givenProxy();
    process.env.HTTP_PROXY = `http://${proxy.host}`;
    process.env.NO_PROXY = '127.0.0.1';
    await givenAdapter(exchange, simulator).verifyAccount();
    expect(proxy.seen).toEqual([]);
  });
});

describe('a plain http request', () => {
  it('is told that it is the proxy that wants a login', async () => {
    const simulator = await givenSimulator();
    const proxy = http.createServer((_, response) => response.writeHead(407).end());
    await new Promise<void>(resolve => proxy.listen(0, '127.0.0.1', resolve));
    closing({ close: () => new Promise(resolve => proxy.close(resolve)) });
    process.env.HTTP_PROXY = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    const adapter = givenAdapter('BYBIT', simulator);
    const error = await errorOf(adapter.verifyAccount());
    expect(error).toMatchObject({ code: 'EXCHANGE_UNREACHABLE', exchangeCode: 'HTTP 407' });
    expect(error.message).toMatch(/proxy.*NO_PROXY/);
    adapter.close();
  });

  it('goes past a variable that is blank', async () => {
    const simulator = await givenSimulator();
    process.env.HTTP_PROXY = ' ';
    await givenAdapter('BYBIT', simulator).verifyAccount();
    expect(simulator.counters('BYBIT').accepted).toBe(1);
  });
});

describe('an https request', () => {
  const adapterOver = (agent?: Agent) => {
    const adapter = createBybitAdapter({
      environment: 'MAINNET',
      baseUrl: 'https://exchange.invalid',
      credentials: CANARY,
      now: () => FROZEN_MS,
      timestamp: () => FROZEN_MS,
      agent,
    });
    closing(adapter);
    return adapter;
  };

  it('asks the proxy for a tunnel, and says what the proxy answered', async () => {
    const proxy = await givenProxy();
    process.env.HTTPS_PROXY = `http://user:hidden-password@${proxy.host}`;
    const error = await errorOf(adapterOver().verifyAccount());
    expect(proxy.seen).toEqual(['CONNECT exchange.invalid:443']);
    expect(error.code).toBe('EXCHANGE_UNREACHABLE');
    expect(error.message).toMatch(/proxy.*HTTP 407.*NO_PROXY/);
    expect(error.message).not.toContain('hidden-password');
  });

  it('names the proxy, and not the exchange, where it is the proxy that nobody answers at', async () => {
    const gone = http.createServer();
    await new Promise<void>(resolve => gone.listen(0, '127.0.0.1', resolve));
    const { port } = gone.address() as AddressInfo;
    await new Promise(resolve => gone.close(resolve));
    process.env.HTTPS_PROXY = `http://127.0.0.1:${port}`;
    const error = await errorOf(adapterOver().verifyAccount());
    expect(error).toMatchObject({ code: 'EXCHANGE_UNREACHABLE', exchangeCode: 'ECONNREFUSED' });
    expect(error.message).toMatch(/the proxy that HTTPS_PROXY.*names failed with ECONNREFUSED/);
  });

  it.each(['socks5://127.0.0.1:1', 'http://'])('names a proxy URL that cannot be used (%s)', async url => {
    process.env.HTTPS_PROXY = url;
    const error = await errorOf(adapterOver().verifyAccount());
    expect(error).toMatchObject({ code: 'EXCHANGE_UNREACHABLE', exchangeCode: 'PROXY_URL_UNUSABLE' });
  });

  it('goes by the agent of the user, whatever the environment says', async () => {
    const simulator = await givenSimulator();
    const proxy = await givenProxy();
    process.env.HTTP_PROXY = `http://${proxy.host}`;
    let connections = 0;
    const agent = new Agent({ keepAlive: true });
    closing({ close: () => agent.destroy() });
    agent.createConnection = () => {
      connections++;
      return connect(Number(new URL(simulator.bybitUrl).port), '127.0.0.1');
    };
    const adapter = givenAdapter('BYBIT', simulator, { agent });
    await adapter.verifyAccount();
    await adapter.verifyAccount();
    adapter.close();
    expect({ connections, seen: proxy.seen }).toEqual({ connections: 1, seen: [] });
  });
});
