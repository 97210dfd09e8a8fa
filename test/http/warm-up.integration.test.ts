/** Clocks that the service measures because somebody asks it to. */
import { describe, expect, it } from '@jest/globals';
import { eventually } from '../support/world.js';
import { givenServer, type TestServer } from './support.js';

const refOf = (exchange: string, userId = 'alice') => ({
  exchange,
  environment: 'TESTNET',
  userId,
  credentialId: 'main',
});
const warm = ({ ask }: TestServer, payload: object, as = 'writer') =>
  ask({ method: 'POST', url: '/v1/warm-ups', payload }, as);

/** A busy machine answers later than a lookup waits; what it did not find would be measured anew. */
const givenPatientServer = () => givenServer({ process: { lookupDeadlineMs: 10_000 } });

describe('POST /v1/warm-ups', () => {
  it('measures each clock once for all its connectors, and leaves alone what is warm', async () => {
    const server = await givenPatientServer();
    const connectors = [refOf('BYBIT'), refOf('BYBIT', 'bob'), refOf('BINGX')];

    const first = await warm(server, { connectors });
    expect(first.body).toEqual({
      clocks: ['BYBIT', 'BINGX'].map(exchange => ({
        exchange,
        environment: 'TESTNET',
        scope: 'default',
        outcome: 'measured',
      })),
      isStored: true,
    });
    for (const exchange of ['BYBIT', 'BINGX'] as const) {
      expect(server.world.simulator.requests(exchange).map(({ route }) => route)).toEqual(['time', 'time']);
    }

    await (await server.state.projector()).catchUp();
    await eventually(async () => {
      const again = await warm(server, { connectors, aheadMs: 1_000 });
      expect(again.body.clocks).toMatchObject([{ outcome: 'warm' }, { outcome: 'warm' }]);
    });
    expect(server.world.simulator.requests('BYBIT')).toHaveLength(2);
    const clock = await server.ask('/v1/clock/BYBIT/TESTNET?nonce=x', 'reader');
    expect(clock.status).toBe(200);
  });

  it('asks no host but the exchanges’ own, whatever scope is named', async () => {
    const server = await givenPatientServer();
    const scope = 'http://169.254.169.254';
    const { status, body } = await warm(server, { connectors: [{ ...refOf('BYBIT'), scope }] });
    expect({ status, code: body.code }).toEqual({ status: 400, code: 'INVALID_INPUT' });
    expect(body.detail).toContain(scope);
    expect(server.world.simulator.requests('BYBIT')).toEqual([]);
  });

  it('says which clock came to nothing and why, and what no exchange is', async () => {
    const server = await givenPatientServer();
    await server.world.simulator.set({ rateLimit: { requests: 0, perMs: 86_400_000 } }, 'BINGX');
    const { status, body } = await warm(server, { connectors: [refOf('BINGX'), refOf('BYBIT')] });
    expect(status).toBe(200);
    expect(body.clocks).toMatchObject([
      { exchange: 'BINGX', outcome: 'failed', problem: expect.any(String) },
      { exchange: 'BYBIT', outcome: 'measured' },
    ]);
    const unknown = await warm(server, { connectors: [refOf('NOWHERE')] });
    expect(unknown).toMatchObject({ status: 400, body: { code: 'INVALID_INPUT' } });
    expect(unknown.body.detail).toContain('NOWHERE');
  });

  it('is for a bound token about its own user only', async () => {
    const server = await givenPatientServer();
    const connectors = [refOf('BYBIT'), refOf('BYBIT', 'bob')];
    expect((await warm(server, { connectors }, 'writer@alice')).status).toBe(404);
    expect((await warm(server, { connectors: [refOf('BYBIT')] }, 'writer@alice')).status).toBe(200);
  });
});
