/** What a start plays through so that the first init need not be the first of everything. */
import diagnostics from 'node:diagnostics_channel';
import type { ClientRequest } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { rehearseAtStart, runRehearsals } from '../../src/base/rehearsals.js';
import { rehearseBingx } from '../../src/exchanges/bingx/index.js';
import { rehearseBybit } from '../../src/exchanges/bybit/index.js';
import { BOTH, givenWorld, verifications } from '../support/world.js';

/** Told by Node itself of each HTTP request that is begun, and each TCP socket that connects, in this process. */
const requests: ClientRequest[] = [];
let sockets = 0;
const onRequest = (message: unknown) => {
  requests.push((message as { request: ClientRequest }).request);
};
const onSocket = () => {
  sockets++;
};

beforeEach(() => {
  requests.length = 0;
  sockets = 0;
  diagnostics.subscribe('http.client.request.start', onRequest);
  diagnostics.subscribe('net.client.socket', onSocket);
});
afterEach(() => {
  diagnostics.unsubscribe('http.client.request.start', onRequest);
  diagnostics.unsubscribe('net.client.socket', onSocket);
});

const REHEARSAL_HOST = 'connector-state-rehearsal.invalid';
const rehearsed = () => requests.filter(({ host }) => host === REHEARSAL_HOST);

describe('createConnectorState', () => {
  it('rehearses every exchange that was loaded, once a process, and stores nothing of it', async () => {
    const world = await givenWorld();

    const first = await world.process();
    const { length } = rehearsed();
    await world.process();

    expect(length).toBe(BOTH.length);
    expect(rehearsed()).toHaveLength(length);
    expect(await first.flush()).toMatchObject({ ok: true, pending: 0, position: undefined });
    expect(await world.sql('SELECT FROM connector_event')).toEqual([]);
  });
});

describe.each([
  ['BYBIT', rehearseBybit],
  ['BINGX', rehearseBingx],
] as const)('the rehearsal of %s', (_, rehearse) => {
  it('plays a signed call through to an accepted answer, and connects to nobody', async () => {
    await expect(rehearse()).resolves.toBeUndefined();

    expect(rehearsed()).toHaveLength(1);
    const [request] = rehearsed();
    const key = request?.getHeader('x-bapi-api-key') ?? request?.getHeader('x-bx-apikey');
    expect(key).toBe('rehearsal');
    expect(sockets).toBe(0);
  });

  it('can be repeated, and overlap', async () => {
    await Promise.all([rehearse(), rehearse()]);
    expect(sockets).toBe(0);
  });
});

describe.each(BOTH)('a %s connector', exchange => {
  it('touches the exchange with its init, not before', async () => {
    const world = await givenWorld();
    const process = await world.process();
    const connector = world.connector(process, exchange);
    expect(world.simulator.counters(exchange)).toMatchObject({ connections: 0, requests: 0 });

    await connector.initialize();

    // The clock was measured, then the account verified, over one connection.
    expect(world.simulator.counters(exchange)).toMatchObject({ connections: 1, requests: 2 });
    expect(verifications(world, exchange)).toEqual(['0']);
  });
});

describe('runRehearsals', () => {
  it('says nothing of a rehearsal that fails, and lets the others end', async () => {
    const ran: string[] = [];
    rehearseAtStart(async () => {
      throw new Error('no such thing');
    });
    rehearseAtStart(async () => {
      ran.push('other');
    });

    await expect(runRehearsals()).resolves.toBeUndefined();
    await runRehearsals();

    expect(ran).toEqual(['other']);
  });
});
