/** In production without DATABASE_URL: a warning, and connectors that sign by the best clock; no embedded server unasked. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { goesWithout } from '../../src/composition/database.js';
import { readSettings } from '../../src/composition/settings.js';
import {
  demoAccount,
  type ExchangeSimulator,
  startExchangeSimulator,
} from '../../src/exchanges/simulator/index.js';
import { projectDirectory, runNode } from '../support/run.js';

let exchange: ExchangeSimulator;
let directory: string;
beforeAll(async () => {
  exchange = await startExchangeSimulator();
  directory = mkdtempSync(join(tmpdir(), 'connector-state-production-'));
});
afterAll(async () => {
  await exchange.close();
  rmSync(directory, { recursive: true, force: true });
});

const program = () => `
  const { createConnectorState } = await import('${projectDirectory}dist/lib/index.js');
  const { BybitConnectorWithCache } = await import('${projectDirectory}dist/lib/bybit.js');
  const results = [];
  for (const round of [1, 2]) {
    const { cache, flush, close, databaseUrl } = await createConnectorState();
    for (const credentialId of ['a', 'b', 'a']) {
      const connector = new BybitConnectorWithCache({ cache, userId: 'u', credentialId, environment: 'TESTNET',
        credentials: ${JSON.stringify(demoAccount(1))}, baseUrl: '${exchange.bybitUrl}' });
      const { contact, refusals } = await connector.initialize();
      results.push([contact, ...refusals]);
      connector.close();
    }
    const stats = await cache.getStats().catch(error => error.code);
    results.push([stats, databaseUrl, (await flush()).pending]);
    await close();
  }
  process.stdout.write(JSON.stringify(results));`;

describe('in production without DATABASE_URL', () => {
  it('connectors sign, facts go nowhere, one warning says so, and no database is made', async () => {
    const { code, stdout, stderr } = await runNode(['--input-type=module', '--eval', program()], {
      cwd: directory,
      env: {
        NODE_ENV: 'production',
        DATABASE_URL: undefined,
        CONNECTOR_STATE_DATA_DIR: undefined,
        LOG_LEVEL: 'warn',
        LOG_FORMAT: 'json',
      },
    });

    expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
    const round = [['verify-first'], expect.anything(), expect.anything(), ['DATABASE_UNAVAILABLE', '', 0]];
    expect(JSON.parse(stdout)).toEqual([...round, ...round]);
    const warnings = stderr.trim().split('\n');
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain('DATABASE_URL is not set');
    expect(existsSync(join(directory, '.data'))).toBe(false);
  });

  it.each([
    [{ NODE_ENV: 'production' }, false, true],
    [{ AWS_LAMBDA_FUNCTION_NAME: 'f' }, false, true],
    [{ NODE_ENV: 'development', VERCEL: '1' }, false, false],
    [{ NODE_ENV: 'production' }, true, false],
    [{}, false, false],
  ])('is told from development: %j, asked for %j', (env, isAsked, expected) => {
    expect(goesWithout(readSettings({}, {}), isAsked, env)).toBe(expected);
    const configured = readSettings({ databaseUrl: 'postgres://u:p@host/db' }, {});
    expect(goesWithout(configured, isAsked, env)).toBe(false);
  });
});
