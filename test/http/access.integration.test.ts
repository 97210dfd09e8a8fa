/**
 * Who may do what, for every route there is: made from the server's own table of routes, so that a new one cannot be
 * forgotten. A route whose body says whom it is about needs a line in BODIES, or the test says so.
 */

import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, it } from '@jest/globals';
import type { InjectOptions } from 'fastify';
import { ROLES } from '../../src/http/access/access.js';
import type { RouteEntry } from '../../src/http/http-server.js';
import { syncedEvent } from './facts.js';
import { givenServer, type TestServer } from './support.js';

const REF = { exchange: 'BYBIT', environment: 'TESTNET', userId: 'alice', credentialId: 'main' };

/** Valid bodies, about alice, of routes that name users in the body. */
const BODIES: Readonly<Record<string, () => object>> = {
  'POST /v1/states': () => ({ connectors: [REF] }),
  'POST /v1/warm-ups': () => ({ connectors: [REF] }),
  'POST /v1/events': () => ({ events: [syncedEvent(REF, randomUUID())] }),
};

let server: TestServer;
let guarded: readonly RouteEntry[];
beforeAll(async () => {
  // Closed after each test otherwise; this one is asked by all.
  server = await givenServer({ keep: true });
  guarded = server.server.routeTable.filter(({ access }) => access.roles !== 'public');
});

const nameOf = ({ method, url }: RouteEntry) => `${method} ${url}`;

function requestTo(route: RouteEntry): InjectOptions {
  const url = route.url.replaceAll(
    /:(\w+)/g,
    (_, name: string) => (REF as Record<string, string>)[name] ?? 'x',
  );
  const payload = BODIES[nameOf(route)]?.();
  return { method: route.method as 'GET', url, ...(payload && { payload }) };
}

const ask = async (route: RouteEntry, as: string) => (await server.ask(requestTo(route), as)).status;

describe('every route', () => {
  it('has somebody who may use it, and is one of ours', () => {
    expect(guarded.length).toBeGreaterThan(5);
    for (const { url, access } of guarded) {
      expect(url).toMatch(/^\/(v1\/|metrics$)/);
      expect(ROLES).toEqual(expect.arrayContaining([...access.roles]));
    }
  });

  it('asks a stranger who he is: 401', async () => {
    const found: Record<string, number[]> = {};
    for (const route of guarded) {
      const without = await server.server.inject(requestTo(route));
      found[nameOf(route)] = [without.statusCode, await ask(route, 'no-token-of-ours')];
    }
    for (const [name, statuses] of Object.entries(found))
      expect([name, ...statuses]).toEqual([name, 401, 401]);
  });

  it('refuses a role that it does not name: 403', async () => {
    for (const route of guarded) {
      const wrong = ROLES.filter(role => role !== 'operator' && !route.access.roles.includes(role as never));
      // Who one is, everybody may ask.
      if (route.url !== '/v1/me') expect([nameOf(route), wrong.length]).not.toEqual([nameOf(route), 0]);
      for (const role of wrong)
        expect([nameOf(route), role, await ask(route, role)]).toEqual([nameOf(route), role, 403]);
    }
  });

  it("does not exist for another tenant's token: 404, and says no more than of what is not there", async () => {
    const nothing = await server.ask('/v1/no-such-route', 'operator@mallory');
    for (const route of guarded) {
      const { tenancy, roles } = route.access;
      if (tenancy === 'shared' || tenancy === 'filtered') continue;
      const role = roles[0] ?? 'operator';
      const { status, body } = await server.ask(requestTo(route), `${role}@mallory`);
      const said = route.method === 'HEAD' ? undefined : nothing.body.code;
      expect([nameOf(route), status, body.code]).toEqual([nameOf(route), nothing.status, said]);
    }
  });

  it("exists for the tenant's own token", async () => {
    for (const route of guarded) {
      const { tenancy, roles } = route.access;
      if (tenancy !== 'path' && tenancy !== 'body') continue;
      const status = await ask(route, `${roles[0] ?? 'operator'}@alice`);
      expect([nameOf(route), [401, 403].includes(status)]).toEqual([nameOf(route), false]);
    }
  });

  it('shows a bound token only its own, where a list has many users', () => {
    const filtered = guarded
      .filter(({ access, method }) => access.tenancy === 'filtered' && method !== 'HEAD')
      .map(nameOf);
    // Each of them has a test of what it leaves out; see lookback.integration.test.ts and the feed's.
    expect(filtered).toEqual([
      'GET /v1/connectors',
      'GET /v1/analytics/refusals',
      'GET /v1/activity',
      'GET /v1/analytics/forecast/connectors',
      'GET /v1/events/feed',
    ]);
  });

  it('that is public tells nothing about anybody', () => {
    const open = server.server.routeTable
      .filter(({ access }) => access.roles === 'public')
      .map(({ url }) => url);
    for (const url of open) expect(url).toMatch(/^\/(docs|health)\b/);
  });
});
