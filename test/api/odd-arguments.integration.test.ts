/** What a program in plain JavaScript may pass: each gets a sentence and a code, and nothing runs on by a default. */
import { describe, expect, it } from '@jest/globals';
import { isConnectorStateError } from '../../src/base/errors.js';
import { createConnectorState } from '../../src/composition/connector-state.js';
import { readSettings, SETTING_NAMES } from '../../src/composition/settings.js';
import { BingxConnectorWithCache } from '../../src/connectors/bingx-with-cache.connector.js';
import { BybitConnectorWithCache } from '../../src/connectors/bybit-with-cache.connector.js';
import { ACCOUNT, givenWorld } from '../support/world.js';

const any = (value: unknown) => value as never;

async function codeAndMessage(run: () => unknown): Promise<string> {
  try {
    await run();
  } catch (error) {
    if (!isConnectorStateError(error)) throw error;
    return `${error.code}: ${error.message}`;
  }
  return 'nothing was thrown';
}

const circle: { self?: unknown } = {};
circle.self = circle;
/** What JSON refuses, what has no text, what a terminal acts on, what no database stores. */
const ODD: Readonly<Record<string, unknown>> = {
  bigint: 4n,
  circle,
  symbol: Symbol('x'),
  function: () => 1,
  'not a number': Number.NaN,
  infinity: Number.POSITIVE_INFINITY,
  negative: -1,
  seconds: 1_760_000_000,
  'too large': 1e18,
  'more than 32 bits': 2 ** 31,
  'far too large': 1e308,
  'a fraction': 1.5,
  long: 'x'.repeat(300),
  'no date': new Date(Number.NaN),
  'no prototype': Object.create(null),
  array: [1],
  controls: ' x\u001b[31m\u0000\u202e ',
  'half a character': '\ud800',
  'its own JSON': {
    toJSON() {
      throw new Error('toJSON was called');
    },
  },
};
const odd = Object.entries(ODD);

const ESTIMATE = {
  offsetMs: 3,
  uncertaintyMs: 1,
  atMs: 1_795_000_000_000,
  rate: { ratePpm: 1, boundPpm: 1 },
};
const LINK = { clockId: 'pg:1:1', offsetMs: 0, uncertaintyMs: 0, atMs: 1_795_000_000_000 };
const SYNC_ID = '0b8d4a3c-6f0e-4a51-8a53-3d9f7a0a1f6e';
const MEASURED = {
  syncId: SYNC_ID,
  estimate: ESTIMATE,
  sample: ESTIMATE,
  source: 'response' as const,
  link: LINK,
  roundTripMs: 2,
  samples: 1,
  ttl: { ttlMs: 60_000, policy: 'fixed', inputs: { ttlMs: 60_000 } },
};
const STATE = { syncId: SYNC_ID, referenceClock: 'pg:1:1', estimate: ESTIMATE, link: LINK };
const FAILURE = {
  exchangeCode: '10002',
  failureClass: 'timestamp' as const,
  serverTimeMs: 1_795_000_000_000,
  state: any(STATE),
};
const TRACE = { correlationId: 'x', causedBy: { id: SYNC_ID } };

/** Every field, at whatever depth, by its path. */
const fieldsOf = (of: object, above = ''): string[] =>
  Object.entries(of).flatMap(([name, value]) => [
    `${above}${name}`,
    ...(typeof value === 'object' ? fieldsOf(value, `${above}${name}.`) : []),
  ]);

function withField(of: object, path: string, value: unknown): object {
  const [name = '', ...deeper] = path.split('.');
  const inner = (of as Record<string, object>)[name] as object;
  return { ...of, [name]: deeper.length > 0 ? withField(inner, deeper.join('.'), value) : value };
}

/** Whatever is thrown has a code, and a message that can be printed. */
async function isTold(what: string, run: () => unknown): Promise<void> {
  try {
    await run();
  } catch (error) {
    const { message } = error as Error;
    if (!isConnectorStateError(error)) throw new Error(`${what}: ${message}`, { cause: error });
    if (/[^\P{C}\n]/u.test(message)) throw new Error(`${what}: ${JSON.stringify(message)} has controls`);
  }
}

describe('options that nobody reads', () => {
  it.each([
    [{ poolsize: 3 }, 'INVALID_INPUT: createConnectorState has no option "poolsize"; did you mean poolSize?'],
    [
      { databseUrl: 'x' },
      'INVALID_INPUT: createConnectorState has no option "databseUrl"; did you mean databaseUrl?',
    ],
    [{ frobnicate: 1 }, /^INVALID_INPUT: createConnectorState has no option "frobnicate": it has .*poolSize/],
    [null, 'INVALID_INPUT: createConnectorState takes an object of options, got null'],
    ['postgres://x', 'INVALID_INPUT: createConnectorState takes an object of options, got string'],
  ])('are refused by name: %j', async (options, message) => {
    const said = await codeAndMessage(() => createConnectorState(any(options)));
    expect(said).toMatch(
      message instanceof RegExp ? message : new RegExp(`^${message.replace(/[?"]/g, '.')}$`),
    );
  });

  it.each([BybitConnectorWithCache, BingxConnectorWithCache])('of a connector too (%p)', async Connector => {
    const world = await givenWorld();
    const process = await world.process();
    const good = {
      cache: process.cache,
      userId: 'u',
      credentialId: 'c',
      environment: 'MAINNET',
      credentials: ACCOUNT,
    };
    const said = (options: unknown) => codeAndMessage(() => new Connector(any(options)));
    expect(await said({ ...good, recvWindow: 9000 })).toMatch(
      /^INVALID_INPUT: .*WithCache has no option "recvWindow"; did you mean recvWindowMs\?$/,
    );
    expect(await said(undefined)).toMatch(/^INVALID_INPUT: .*takes an object of options, got undefined$/);
    expect(await said({ ...good, cache: undefined })).toMatch(/^INVALID_INPUT: .*createConnectorState\(\)$/);
  });
});

describe('values of another type', () => {
  it.each([
    [{ poolSize: 4n }, 'poolSize must be a whole number from 1 to 100, got 4n'],
    [
      { poolSize: Object.create(null) },
      'poolSize must be a whole number from 1 to 100, got a value of type object',
    ],
    [{ autoMigrate: Symbol('no') }, 'autoMigrate must be true or false, got a value of type symbol'],
    [
      { databaseUrl: Object.create(null) },
      /databaseUrl must be a URL like .*got something that is not a URL/,
    ],
  ])('are reported like any other bad setting: %p', async (options, message) => {
    const said = await codeAndMessage(() => createConnectorState(any(options)));
    expect(said).toMatch(/^INVALID_SETTINGS/);
    expect(said).toMatch(message);
  });

  it.each(odd)('are reported for every setting: %s', async (_, value) => {
    for (const name of SETTING_NAMES) await isTold(name, () => readSettings({ [name]: value }, {}));
    for (const name of ['logger', 'clock', 'timers', 'random', 'metrics', 'tracer']) {
      if (name === 'random' && typeof value === 'function') continue;
      const said = await codeAndMessage(() => createConnectorState(any({ [name]: value })));
      expect(said).toMatch(new RegExp(`^INVALID_INPUT: ${name} must be .*, got`));
    }
  });

  it('are reported for every option of a connector, and every argument of the cache', async () => {
    const world = await givenWorld();
    const { cache, flush } = await world.process();
    const good = { cache, userId: 'u', credentialId: 'c', environment: 'TESTNET', credentials: ACCOUNT };
    const made = new BybitConnectorWithCache(any({ ...good, baseUrl: world.simulator.bybitUrl }));
    await made.initialize();
    const OPTIONS =
      'cache userId credentialId environment credentials baseUrl region clockScope recvWindowMs lateRecvWindowMs timeoutMs plainHttpHosts agent';
    for (const [kind, value] of odd) {
      const told = (what: string, run: () => unknown) => isTold(`${what}, ${kind}`, run);
      for (const name of OPTIONS.split(' ')) {
        await told(name, () => new BybitConnectorWithCache(any({ ...good, [name]: value })).close());
      }
      for (const name of ['apiKey', 'apiSecret', 'passphrase']) {
        const credentials = { ...ACCOUNT, [name]: value };
        await told(name, () => new BybitConnectorWithCache(any({ ...good, credentials })).close());
      }
      const { ref } = made;
      const calls: Record<string, () => unknown> = {
        get: () => cache.get(any(value)),
        getMany: () => cache.getMany(any([value])),
        history: () => cache.history(any(value)),
        historyPage: () => cache.historyPage(ref, any(value)),
        limit: () => cache.historyPage(ref, any({ limit: value })),
        since: () => cache.historyPage(ref, any({ since: value })),
        cursor: () => cache.historyPage(ref, any({ cursor: value })),
        stateAt: () => cache.stateAt(ref, any(value)),
        explain: () => cache.explain(any(value)),
        by: () => cache.invalidate(ref, any(value)),
        cleanupExpired: () => cache.cleanupExpired(any(value)),
        distrust: () => cache.distrust(any(value)),
        host: () => cache.distrust(any({ host: value })),
        login: () => cache.distrust(any({ host: 'h', login: value })),
        sinceMs: () => cache.distrust(any({ host: 'h', sinceMs: value })),
        'distrust by': () => cache.distrust({ host: 'h' }, any(value)),
        failure: () => cache.recordAuthFailure(ref, any(value)),
        exchangeCode: () =>
          cache.recordAuthFailure(ref, any({ exchangeCode: value, failureClass: 'unknown' })),
        failureClass: () => cache.recordAuthFailure(ref, any({ exchangeCode: '1', failureClass: value })),
        atLeast: () => cache.get(ref, any({ atLeast: value })),
        undo: () => cache.distrust(any({ host: 'h', undo: value })),
        trigger: () => cache.set(ref, MEASURED, any(value)),
        ...Object.fromEntries(
          fieldsOf(FAILURE).map(field => [
            field,
            () => cache.recordAuthFailure(ref, any(withField(FAILURE, field, value))),
          ]),
        ),
        ...Object.fromEntries(
          fieldsOf(MEASURED).flatMap(field => [
            [`set ${field}`, () => cache.set(ref, any(withField(MEASURED, field, value)), 'absent')],
            [
              `contradict ${field}`,
              () => cache.contradict(ref, any(withField(MEASURED, field, value)), 'absent'),
            ],
          ]),
        ),
        ...Object.fromEntries(
          fieldsOf({ trace: TRACE }).flatMap(field => {
            const { trace } = any(withField({ trace: TRACE }, field, value)) as { trace: never };
            return [
              [`set ${field}`, () => cache.set(ref, MEASURED, 'absent', trace)],
              [`auth ${field}`, () => cache.recordAuthFailure(ref, FAILURE, trace)],
            ];
          }),
        ),
        flush: () => flush(any(value)),
        attach: () => made.attach(any(value)),
        fundingRate: () => made.fundingRate(any(value)),
      };
      for (const [name, run] of Object.entries(calls)) await told(name, run);
    }
    // Nothing odd was recorded that the store then refused.
    expect(await flush()).toMatchObject({ ok: true, lost: 0 });
    made.close();
  });

  it('are named with the limit and what to do, where a time is in another unit or beyond any', async () => {
    const { cache } = await (await givenWorld()).process();
    const ref = { userId: 'u', credentialId: 'c', exchange: 'BYBIT', environment: 'MAINNET' } as const;
    const failed = (more: object) =>
      codeAndMessage(() => cache.recordAuthFailure(ref, { ...FAILURE, ...more }));
    expect(await failed({ serverTimeMs: 1e18 })).toBe(
      'INVALID_INPUT: serverTimeMs must be a number from 946684800000 to 4102444800000 (epoch milliseconds, 2000 to 2100), got 1000000000000000000: give it in milliseconds, or leave it out',
    );
    expect(await failed({ state: { ...STATE, syncId: 'x' } })).toMatch(
      /^INVALID_INPUT: state\.syncId must be a UUID, got "x"/,
    );
  });

  it('in calls of the cache are named', async () => {
    const { cache } = await (await givenWorld()).process();
    const ref = { userId: 'u', credentialId: 'c', exchange: 'BYBIT', environment: 'MAINNET' } as const;
    for (const run of [
      () => cache.stateAt('u', 'c', any('2026-11-17')),
      () => cache.stateAt('u', 'c', new Date(Number.NaN)),
      () => cache.getMany(any(undefined)),
      () => cache.set(ref, any({}), 'absent'),
    ]) {
      expect(await codeAndMessage(run)).toMatch(/^INVALID_INPUT: /);
    }
  });
});

it('flush() takes any time-out, and never throws', async () => {
  const process = await (await givenWorld()).process();
  const ref = { userId: 'u', credentialId: 'c', exchange: 'BYBIT', environment: 'MAINNET' } as const;
  for (const [timeoutMs, isWaitedFor] of [
    [Number.POSITIVE_INFINITY, true],
    [2 ** 31, true],
    [undefined, true],
    [0, false],
    [-1, false],
    [Number.NaN, false],
  ] as const) {
    process.cache.recordAuthFailure(ref, { exchangeCode: '1', failureClass: 'unknown' });
    const { ok } = await process.flush(timeoutMs);
    expect({ timeoutMs, ok }).toEqual({ timeoutMs, ok: isWaitedFor });
    expect((await process.flush()).ok).toBe(true);
  }
});
