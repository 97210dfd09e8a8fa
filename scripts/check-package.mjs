/**
 * The package as users get it: packed, looked at by publint and by @arethetypeswrong/cli, installed beside nothing, then
 * compiled against under every way in which TypeScript finds modules, and run by import, by require and in a CommonJS test
 * of Jest's.
 *
 *   npm run check:package
 *
 * No registry is asked: what the package depends on is linked from this clone. Run `npm run build` first.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const project = fileURLToPath(new URL('..', import.meta.url));
const bin = name => join(project, 'node_modules/.bin', name);
const app = mkdtempSync(join(tmpdir(), 'connector-state-package-'));
const failed = [];
const say = text => process.stdout.write(`${text}\n`);

/** @returns what it printed */
function run(label, command, args, options = {}) {
  try {
    const output = execFileSync(command, args, { cwd: app, encoding: 'utf8', stdio: 'pipe', ...options });
    say(`ok      ${label}`);
    return output;
  } catch (error) {
    failed.push(label);
    say(
      `FAILED  ${label}\n${error.stdout ?? ''}${error.stderr ?? ''}${error.stdout === undefined ? error : ''}`,
    );
    return '';
  }
}

try {
  const packed = execFileSync('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', app], {
    cwd: project,
    encoding: 'utf8',
  });
  const [{ filename, files }] = JSON.parse(packed);
  const tarball = join(app, filename);
  run('publint', bin('publint'), ['run', tarball, '--strict'], { cwd: project });
  run('attw', bin('attw'), [tarball], { cwd: project });
  const maps = files.filter(({ path }) => path.endsWith('.map'));
  if (maps.length > 0) failed.push('no source maps');

  install(tarball);
  types();
  programs();
} finally {
  rmSync(app, { recursive: true, force: true });
}
if (failed.length > 0) say(`\nfailed: ${failed.join(', ')}`);
process.exitCode = failed.length > 0 ? 1 : 0;

function link(name) {
  const place = join(app, 'node_modules', name);
  mkdirSync(dirname(place), { recursive: true });
  symlinkSync(join(project, 'node_modules', name), place);
}

function install(tarball) {
  const home = join(app, 'node_modules/connector-state');
  mkdirSync(home, { recursive: true });
  execFileSync('tar', ['xzf', tarball, '-C', home, '--strip-components', '1']);
  const { dependencies } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8'));
  for (const name of [...Object.keys(dependencies), 'bybit-api', '@types/node']) link(name);
  writeFileSync(join(app, 'package.json'), '{ "name": "app", "private": true }');
}

/** TypeScript of today, and the one of before its rewrite, which still finds modules as Node 10 did. */
function types() {
  const core = createRequire(createRequire(import.meta.url).resolve('@arethetypeswrong/cli/package.json'));
  const older = createRequire(core.resolve('@arethetypeswrong/core')).resolve('typescript/bin/tsc');
  const today = join(project, 'node_modules/typescript/bin/tsc');
  const consumer = readFileSync(join(project, 'test/types/consumer.ts'), 'utf8');
  // As CommonJS it may not say `export` with `verbatimModuleSyntax`; without, it becomes `require`.
  for (const name of ['consumer.ts', 'consumer.mts', 'consumer.cts'])
    writeFileSync(join(app, name), consumer);
  const cases = [
    ['node10', older, { module: 'commonjs', moduleResolution: 'node10' }, ['consumer.ts']],
    ...['node16', 'nodenext'].flatMap(module => [
      [module, older, { module, moduleResolution: module }, ['consumer.cts', 'consumer.mts']],
      [module, today, { module, moduleResolution: module }, ['consumer.cts', 'consumer.mts']],
    ]),
    ['bundler', older, { module: 'esnext', moduleResolution: 'bundler' }, ['consumer.ts']],
    ['bundler', today, { module: 'esnext', moduleResolution: 'bundler' }, ['consumer.ts']],
  ];
  for (const [name, tsc, options, files] of cases) {
    const compilerOptions = {
      ...options,
      target: 'es2022',
      lib: ['es2023', 'esnext.disposable'],
      types: ['node'],
      strict: true,
      noEmit: true,
      esModuleInterop: true,
      // Ours are checked too, and with them those of our dependencies.
      skipLibCheck: false,
    };
    writeFileSync(join(app, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }));
    run(`types: ${name}, TypeScript ${tsc === today ? 7 : 5}`, process.execPath, [
      tsc,
      '-p',
      'tsconfig.json',
    ]);
  }
}

function programs() {
  const use = `
    const problem = isConnectorStateError(new InvalidInputError('x'), 'INVALID_INPUT');
    if (!problem || typeof BybitConnectorWithCache !== 'function') throw new Error('not what was imported');
    createConnectorState({ cacheMode: 'off', logLevel: 'silent' }).then(state => state.close());`;
  const names = '{ createConnectorState, InvalidInputError, isConnectorStateError }';
  writeFileSync(
    join(app, 'program.mjs'),
    `import ${names} from 'connector-state'; import { BybitConnectorWithCache } from 'connector-state/bybit';${use}`,
  );
  writeFileSync(
    join(app, 'program.cjs'),
    `const ${names} = require('connector-state'); const { BybitConnectorWithCache } = require('connector-state/bybit');${use}`,
  );
  run('import', process.execPath, ['program.mjs']);
  run('require', process.execPath, ['program.cjs']);
  run('the command line', process.execPath, [
    'node_modules/connector-state/dist/lib/connector-state.js',
    '--version',
  ]);
  for (const name of ['services', 'simulator', 'next']) {
    run(`require ${name}`, process.execPath, ['-e', `require('connector-state/${name}')`]);
  }

  // Jest loads modules by a system of its own, which takes no ES modules by require.
  mkdirSync(join(app, 'test'));
  writeFileSync(join(app, 'jest.config.cjs'), `module.exports = { testEnvironment: 'node' };`);
  writeFileSync(
    join(app, 'test/app.test.js'),
    `const { createConnectorState } = require('connector-state');
     const { BybitConnectorWithCache } = require('connector-state/bybit');
     const { FundingArbitrageService } = require('connector-state/services');
     const { startExchangeSimulator, demoAccount } = require('connector-state/simulator');
     test('a connector starts', async () => {
       const exchange = await startExchangeSimulator();
       const state = await createConnectorState({ cacheMode: 'off', logLevel: 'silent' });
       const connector = new BybitConnectorWithCache({ cache: state.cache, userId: 'a', credentialId: 'b',
         environment: 'TESTNET', credentials: demoAccount(1), baseUrl: exchange.bybitUrl });
       expect(await connector.initialize()).toMatchObject({ contact: 'sync' });
       await new FundingArbitrageService({ cache: state.cache }).restore([]);
       connector.close();
       await state.close();
       await exchange.close();
     });`,
  );
  run('Jest, CommonJS', process.execPath, [join(project, 'node_modules/jest/bin/jest.js'), '--rootDir', app]);
}
