/**
 * Promise 5: no secret leaves the process's memory. A canary key and secret go through a run in which everything
 * fails that can, and are then searched for in every column of every table, every log line, every error and
 * everything the API returned.
 */
import { inspect } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import type { Fault } from '../../src/exchanges/simulator/index.js';
import { FundingArbitrageService, type HedgedPosition } from '../../src/services/index.js';
import { BOTH, eventually, givenWorld, SYMBOL, type World } from '../support/world.js';

const CANARY = { apiKey: 'canaryKeyQ7x2', apiSecret: 'canarySecret/8+w=Zt&9' } as const;

/** Every spelling in which a canary could sing. */
const SPELLINGS = Object.values(CANARY).flatMap(secret => [
  secret,
  encodeURIComponent(secret),
  JSON.stringify(secret).slice(1, -1),
  Buffer.from(secret).toString('base64'),
  Buffer.from(secret).toString('hex'),
]);

const everything = (value: unknown) =>
  inspect(value, {
    depth: Number.POSITIVE_INFINITY,
    showHidden: true,
    getters: true,
    maxArrayLength: null,
    maxStringLength: null,
  });

function expectNoCanary(where: string, text: string) {
  expect(text.length).toBeGreaterThan(0);
  for (const spelling of SPELLINGS) {
    if (text.includes(spelling)) throw new Error(`${where} holds ${spelling}`);
  }
}

/** All rows of all tables, catalogues of our schema included, as text. */
async function dump(world: World): Promise<Map<string, string>> {
  const tables = await world.sql<{ name: string }>(
    `SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) AS name FROM pg_tables
      WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`,
  );
  const contents = new Map<string, string>();
  for (const { name } of tables) {
    const rows = await world.sql<{ row: string }>(`SELECT t::text AS row FROM ${name} t`);
    contents.set(name, rows.map(({ row }) => row).join('\n'));
  }
  return contents;
}

const echo = `apiKey=${CANARY.apiKey} secret=${CANARY.apiSecret} ${encodeURIComponent(CANARY.apiSecret)}`;
const json = JSON.stringify({ retCode: 10001, retMsg: echo, code: 100001, msg: echo, result: {}, data: {} });
const FAULTS: Fault[] = [
  { kind: 'code', code: 10004, message: `error sign! origin_string[1760${CANARY.apiKey}5000]` },
  { kind: 'code', code: 100001, message: echo },
  { kind: 'code', code: 99_999, message: `${echo} ${'x'.repeat(400)} ${echo}` },
  { kind: 'http', status: 401, body: echo },
  { kind: 'http', status: 403, body: json, contentType: 'application/json' },
  { kind: 'http', status: 503, body: `<html>${echo}</html>` },
  { kind: 'body', body: echo },
  { kind: 'malformed-json' },
  { kind: 'reset' },
  { kind: 'cut' },
  { kind: 'hang' },
];

describe('promise 5', () => {
  it('no table, log line, error or answer holds a credential, whatever fails', async () => {
    const world = await givenWorld({ accounts: { [CANARY.apiKey]: CANARY.apiSecret } });
    const proxy = await world.proxy();
    const databasePassword = new URL(world.databaseUrl).password;
    const process = await world.process({
      databaseUrl: proxy.url,
      breakerResetMs: 10,
      lookupDeadlineMs: 2_000,
      logLevel: 'debug',
    });
    const errors: unknown[] = [];
    const answers: unknown[] = [];
    const attempt = async (what: Promise<unknown>) => {
      await what.then(
        answer => answers.push(answer),
        error => errors.push(error),
      );
    };

    for (const exchange of BOTH) {
      const connect = (userId: string, change = {}) =>
        world.connector(process, exchange, { userId, credentials: CANARY, timeoutMs: 60, ...change });
      await attempt(connect('ok').initialize());
      for (const [i, fault] of FAULTS.entries()) {
        for (const route of ['verify', 'funding'] as const) {
          world.simulator.fault({ ...fault, route, times: 2 }, exchange);
          const connector = connect(`${route}${i}`);
          await attempt(connector.initialize());
          await attempt(connector.fundingRate(SYMBOL[exchange]));
          world.simulator.clearFaults(exchange);
        }
      }
      // The sync itself, on an exchange whose clock nobody knows.
      for (const [i, fault] of FAULTS.entries()) {
        world.simulator.fault({ ...fault, route: 'time', times: 2 }, exchange);
        await attempt(connect(`time${i}`, { environment: 'MAINNET' }).initialize());
        world.simulator.clearFaults(exchange);
      }
      const wrongSecret = { ...CANARY, apiSecret: `${CANARY.apiSecret}x` };
      await attempt(connect('wrong', { credentials: wrongSecret }).initialize());
      await attempt(
        connect('unknown', { credentials: { ...CANARY, apiKey: `${CANARY.apiKey}x` } }).initialize(),
      );
      world.simulator.step(-10_000, exchange);
      await attempt(connect('ok').initialize());
      for (const bad of [{ apiKey: `${CANARY.apiKey}\n` }, { apiSecret: CANARY.apiSecret.repeat(500) }]) {
        try {
          connect('malformed', { credentials: { ...CANARY, ...bad } });
        } catch (error) {
          errors.push(error);
        }
      }
    }
    await proxy.refuse();
    await attempt(world.connector(process, 'BYBIT', { userId: 'down', credentials: CANARY }).initialize());
    await attempt(process.cache.getStats());
    await attempt(process.flush());
    await proxy.recover();
    await eventually(async () => expect((await process.flush()).ok).toBe(true));

    const book: HedgedPosition[] = [
      {
        id: 'p',
        primary: {
          connector: world.connector(process, 'BYBIT', { userId: 'p', credentials: CANARY }),
          symbol: 'BTCUSDT',
        },
        hedge: {
          connector: world.connector(process, 'BINGX', {
            userId: 'p',
            credentials: { ...CANARY, apiSecret: `${CANARY.apiSecret}x` },
          }),
          symbol: 'BTC-USDT',
        },
      },
    ];
    answers.push(await new FundingArbitrageService({ cache: process.cache }).restore(book));
    answers.push(await process.cache.getStats());
    for (const { user_id } of await world.sql<{ user_id: string }>(
      `SELECT DISTINCT data->>'userId' AS user_id FROM connector_event WHERE data ? 'userId'`,
    )) {
      answers.push(await process.cache.history(user_id, 'cred456'));
      answers.push(await process.cache.stateAt(user_id, 'cred456', Date.now()));
    }
    answers.push(book[0]?.primary.connector.ref, world.simulator.requests(), world.simulator.state());

    // It was a bad day indeed.
    expect(errors.length).toBeGreaterThan(60);
    const types = await world.sql<{ type: string }>('SELECT DISTINCT type FROM connector_event ORDER BY 1');
    expect(types.map(({ type }) => type)).toEqual(
      expect.arrayContaining([
        'ConnectorAuthFailed',
        'ConnectorStateHit',
        'ConnectorStateInvalidated',
        'ConnectorSyncFailed',
        'ConnectorSynced',
      ]),
    );

    const tables = await dump(world);
    expect([...tables.keys()]).toEqual(
      expect.arrayContaining(['public.connector_state_cache', 'public.projection_dead_letter']),
    );
    for (const [table, text] of tables) if (text !== '') expectNoCanary(table, text);
    expectNoCanary('the log', process.log.text());
    for (const error of errors) expectNoCanary('an error', `${everything(error)}\n${(error as Error).stack}`);
    expectNoCanary('an answer', everything(answers));
    if (databasePassword) {
      expect(process.log.text()).not.toContain(databasePassword);
      expect(everything([errors, answers])).not.toContain(databasePassword);
    }
    // A connector itself shows nothing when it is logged by mistake.
    expectNoCanary('a connector', everything(book));
  });
});
