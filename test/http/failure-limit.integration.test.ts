/** An address that is wrong too often about who it is has to wait; whoever was let in before has not. */
import { describe, expect, it } from '@jest/globals';
import { limitFailures } from '../../src/http/access/failure-limit.js';
import { givenServer, roleTokens } from './support.js';

const PATH = '/v1/connectors/BYBIT/TESTNET/alice/main/state';
const MINUTE_MS = 60_000;

describe('an address that sends tokens that nobody knows', () => {
  it('waits for what is left of the minute, alone, and not who was known there before', async () => {
    let nowMs = 0;
    const authenticator = limitFailures(roleTokens, { nowMs: () => nowMs, failuresPerMinute: 3 });
    const { server } = await givenServer({ authenticator });
    const ask = async (token: string | undefined, remoteAddress = '192.0.2.7') => {
      const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
      return server.inject({ method: 'GET', url: PATH, remoteAddress, headers });
    };
    const statusOf = async (...asked: Parameters<typeof ask>) => (await ask(...asked)).statusCode;

    expect(await statusOf('reader')).toBe(200);
    for (let i = 0; i < 3; i++) expect(await statusOf(`guess-${i}`)).toBe(401);
    nowMs += 20_500;
    const refused = await ask('guess-4');
    expect(refused.statusCode).toBe(429);
    expect(refused.headers['retry-after']).toBe('40');
    expect(refused.json()).toMatchObject({ code: 'TOO_MANY_REQUESTS' });
    // Nor is it tried whether the next would have been right.
    expect(await statusOf('writer')).toBe(429);
    // Known before; another address; and who claims nothing.
    expect(await statusOf('reader')).toBe(200);
    expect(await statusOf('writer', '192.0.2.8')).toBe(200);
    expect(await statusOf(undefined)).toBe(401);

    nowMs = MINUTE_MS;
    expect(await statusOf('guess-5')).toBe(401);
    expect(await statusOf('operator')).toBe(200);
  });
});
