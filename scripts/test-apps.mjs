/**
 * connector-state in Next.js apps, each built from the packed tarball, started, asked by fifty at once, killed and started
 * again: nothing may have been opened while it was built, the exchange must have been spoken to before the first request (by
 * instrumentation.ts), all fifty must be served, and the next process must be warm. One is
 * edited under `next dev`: there must be one instance all the time, for pages and routes.
 *
 *   npm run test:apps                  every case
 *   npm run test:apps -- 16-webpack    those whose name contains it; with @ at the end, that one
 *
 * Apart from the quick tests: Next.js comes from the registry, and a build takes half a minute.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { demoAccount, startExchangeSimulator } from '../dist/src/exchanges/simulator/index.js';
import { startEmbeddedPostgres } from '../dist/src/postgres/embedded/index.js';

const project = fileURLToPath(new URL('..', import.meta.url));
const say = text => process.stdout.write(`${text}\n`);

/** `output` is how it is started: the standalone server, `next start` or `next dev`. */
const CASES = [
  { name: '16-turbopack', next: '16', flags: [], output: 'standalone' },
  { name: '16-webpack', next: '16', flags: ['--webpack'], output: 'standalone' },
  { name: '15-webpack', next: '15', flags: [], output: 'standalone' },
  {
    name: '16-turbopack-cache-components',
    next: '16',
    flags: [],
    output: 'standalone',
    cacheComponents: true,
  },
  {
    name: '16-webpack-cache-components',
    next: '16',
    flags: ['--webpack'],
    output: 'standalone',
    cacheComponents: true,
  },
  { name: '16-turbopack-start', next: '16', flags: [], output: 'start' },
  { name: '15-webpack-start', next: '15', flags: [], output: 'start' },
  { name: '15-turbopack', next: '15', flags: ['--turbopack'], output: 'standalone' },
  { name: '16-turbopack-pnpm', next: '16', flags: [], output: 'standalone', manager: 'pnpm' },
  { name: '15-webpack-pnpm', next: '15', flags: [], output: 'standalone', manager: 'pnpm' },
  { name: '16-turbopack-dev', next: '16', flags: [], output: 'dev' },
  { name: '15-webpack-dev', next: '15', flags: [], output: 'dev' },
];
const AT_ONCE = 50;
const PNPM = 'pnpm@10';
const EDITS = 3;
/** A machine that does other work as well must not fail a case. */
const PATIENCE_MS = 60_000;

const wanted = process.argv.slice(2);
const cases = CASES.filter(
  ({ name }) => wanted.length === 0 || wanted.some(part => `${name}@`.includes(part)),
);
if (cases.length === 0) throw new Error(`no case of: ${CASES.map(({ name }) => name).join(', ')}`);

const work = mkdtempSync(join(tmpdir(), 'connector-state-apps-'));
// Under root the server runs as another user, who must get in.
chmodSync(work, 0o711);
const server = await startEmbeddedPostgres({
  dataDir: join(work, 'database/postgres'),
  databaseName: 'apps',
  durable: false,
});
const exchange = await startExchangeSimulator();
const { apiKey, apiSecret } = demoAccount(1);
const failed = [];
try {
  const packed = execFileSync('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', work], {
    cwd: project,
    encoding: 'utf8',
  });
  const tarball = join(work, JSON.parse(packed)[0].filename);
  for (const each of cases) {
    try {
      say(`ok      ${each.name}: ${await tried(each, tarball)}`);
    } catch (error) {
      failed.push(each.name);
      say(`FAILED  ${each.name}: ${error.message}\n${error.stdout ?? ''}${error.stderr ?? ''}`);
    }
  }
} finally {
  await exchange.close();
  await server.stop();
  rmSync(work, { recursive: true, force: true });
}
process.exitCode = failed.length > 0 ? 1 : 0;

async function tried(app, tarball) {
  const directory = install(app, tarball);
  const bin = join(directory, 'node_modules/next/dist/bin/next');
  const databaseUrl = await createDatabase(app.name);
  if (app.output === 'dev') return edited(directory, [bin, 'dev', ...app.flags], databaseUrl);
  const before = exchange.counters('BYBIT').requests;
  // A database that nobody reaches: whoever opened it while building would be heard of.
  build(directory, [bin, 'build', ...app.flags]);
  if (existsSync(join(directory, '.data'))) throw new Error('the build made an embedded database');
  if (exchange.counters('BYBIT').requests !== before) throw new Error('the build spoke to the exchange');
  const start = app.output === 'start' ? [bin, 'start'] : ['.next/standalone/server.js'];
  const cold = await served(directory, start, app.name, databaseUrl);
  const warm = await served(directory, start, app.name, databaseUrl);
  if (app.output === 'standalone') {
    execFileSync(process.execPath, [
      join(project, 'dist/lib/connector-state.js'),
      'doctor',
      '--deployed',
      join(directory, '.next/standalone'),
    ]);
  }
  const hits = warm.filter(({ init }) => init.cacheHit).length;
  if (hits !== AT_ONCE) throw new Error(`${hits} of ${AT_ONCE} of the second process were warm`);
  return `${cold.length} served cold, ${hits} warm`;
}

function build(directory, args) {
  const DATABASE_URL = 'postgres://nobody:none@127.0.0.1:1/none';
  const env = environment({ DATABASE_URL });
  execFileSync(process.execPath, args, { cwd: directory, env, stdio: 'pipe', encoding: 'utf8' });
}

function environment(extra = {}) {
  const { NODE_ENV: _, ...env } = process.env;
  return {
    ...env,
    NEXT_TELEMETRY_DISABLED: '1',
    HOSTNAME: '127.0.0.1',
    BYBIT_BASE_URL: exchange.bybitUrl,
    BYBIT_API_KEY: apiKey,
    BYBIT_API_SECRET: apiSecret,
    LOOKUP_DEADLINE_MS: `${PATIENCE_MS}`,
    ...extra,
  };
}

/** What create-next-app makes, as far as it matters here, with the example of this project put into it. */
function install({ name, next, manager = 'npm', output, cacheComponents }, tarball) {
  const directory = join(work, name);
  const write = (path, text) => {
    mkdirSync(join(directory, path, '..'), { recursive: true });
    writeFileSync(join(directory, path), text);
  };
  write(
    'package.json',
    JSON.stringify({
      private: true,
      dependencies: {
        'bybit-api': '^4.7.7',
        'connector-state': `file:${tarball}`,
        next,
        react: '^19',
        'react-dom': '^19',
      },
      devDependencies: { '@types/node': '^20', '@types/react': '^19', typescript: '^5' },
    }),
  );
  cpSync(join(project, 'examples/nextjs/app'), join(directory, 'app'), { recursive: true });
  cpSync(join(project, 'examples/nextjs/lib'), join(directory, 'lib'), { recursive: true });
  cpSync(join(project, 'examples/nextjs/instrumentation.ts'), join(directory, 'instrumentation.ts'));
  const connector = join(directory, 'lib/bybit.ts');
  const patient = readFileSync(connector, 'utf8').replace(
    /(?=\n {4}baseUrl:)/,
    `\n    timeoutMs: ${PATIENCE_MS},`,
  );
  writeFileSync(connector, patient);
  const config = { ...(output === 'standalone' && { output }), ...(cacheComponents && { cacheComponents }) };
  const example = readFileSync(join(project, 'examples/nextjs/next.config.ts'), 'utf8');
  write('next.config.ts', example.replace('NextConfig = {}', `NextConfig = ${JSON.stringify(config)}`));
  write(
    'tsconfig.json',
    JSON.stringify({
      compilerOptions: {
        target: 'es2017',
        lib: ['dom', 'esnext'],
        strict: true,
        noEmit: true,
        esModuleInterop: true,
        skipLibCheck: true,
        module: 'esnext',
        moduleResolution: 'bundler',
        isolatedModules: true,
        jsx: 'preserve',
        plugins: [{ name: 'next' }],
      },
      include: ['**/*.ts', '**/*.tsx'],
      exclude: ['node_modules'],
    }),
  );
  write(
    'app/layout.tsx',
    'export default function Layout({ children }: { children: React.ReactNode }) { return <html><body>{children}</body></html> }',
  );
  write('app/page.tsx', 'export default function Page() { return <p>here</p> }');
  const command =
    manager === 'pnpm' ? ['npx', '--yes', PNPM, 'install'] : ['npm', 'install', '--no-audit', '--no-fund'];
  execFileSync(command[0], command.slice(1), { cwd: directory, stdio: 'pipe', encoding: 'utf8' });
  return directory;
}

/** Starts it, asks it {@link AT_ONCE} times at once and again until what was learned is stored, and kills it. */
function served(directory, args, name, databaseUrl) {
  const before = exchange.counters('BYBIT').requests;
  return running(directory, args, { MACHINE_NAME: name, DATABASE_URL: databaseUrl }, async (url, said) => {
    if (exchange.counters('BYBIT').requests === before) {
      throw new Error(`it was not warm before its first request: instrumentation.ts did nothing\n${said()}`);
    }
    const answers = await Promise.all(
      Array.from({ length: AT_ONCE }, async () => JSON.parse(await textOf(`${url}/api/funding`, said))),
    );
    await stored(databaseUrl);
    return answers;
  });
}

/** Starts it in development, edits the module that shares connector-state and what uses it, and counts instances. */
function edited(directory, args, databaseUrl) {
  const shared = join(directory, 'lib/connector-state.ts');
  const own = readFileSync(shared, 'utf8');
  const edit = n => writeFileSync(shared, `${own}\nexport const edit = ${n};\n`);
  const which = `import { connectorState, edit } from '../../../lib/connector-state';
    export async function instance() {
      const known = ((globalThis as any).knownInstances ??= new Map());
      const { cache } = await connectorState();
      if (!known.has(cache)) known.set(cache, known.size + 1);
      return \`edit \${edit}: instance \${known.get(cache)}\`;
    }`;
  const write = (path, text) => {
    mkdirSync(join(directory, path, '..'), { recursive: true });
    writeFileSync(join(directory, path), text);
  };
  write(
    'app/api/which/route.ts',
    `${which}\nexport const GET = async () => new Response(await instance());`.replace(
      'export async f',
      'async f',
    ),
  );
  write(
    'app/in/page/page.tsx',
    `${which}\nexport const dynamic = 'force-dynamic';\nexport default async function Page() { return <p>{await instance()}</p> }`.replace(
      'export async f',
      'async f',
    ),
  );
  edit(0);
  const env = { DATABASE_URL: databaseUrl, POOL_SIZE: '1', NODE_ENV: 'development' };
  return running(directory, args, env, async (url, said) => {
    const connections = [];
    for (let n = 0; n <= EDITS; n++) {
      edit(n);
      for (const path of ['/api/which', '/in/page']) {
        for (let i = 0; ; i++) {
          const text = (await textOf(`${url}${path}`, said)).replaceAll('<!-- -->', '');
          const [, seen, instance] = /edit (\d+): instance (\d+)/.exec(text) ?? [];
          if (instance !== '1') throw new Error(`after edit ${n} ${path} has instance ${instance}`);
          if (Number(seen) === n) break;
          if (i === 240) throw new Error(`edit ${n} is not seen by ${path}`);
          await pause(500);
        }
      }
      connections.push(await connectionsTo(databaseUrl));
    }
    const [first] = connections;
    if (connections.some(count => count > first)) {
      throw new Error(`connections grew with edits: ${connections.join(', ')}`);
    }
    return `one instance for page and route over ${EDITS} edits, connections ${connections.join(', ')}`;
  });
}

/** @param use is given the address, and what the process has said */
async function running(directory, args, env, use) {
  const port = await freePort();
  const child = spawn(process.execPath, [...args, ...(args.length > 1 ? ['--port', `${port}`] : [])], {
    cwd: directory,
    env: environment({ PORT: `${port}`, ...env }),
    stdio: ['ignore', 'pipe', 'pipe'],
    // Of its own, for `next dev` has children.
    detached: true,
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', text => (said += text));
  const ended = once(child, 'exit');
  try {
    const url = `http://127.0.0.1:${port}`;
    for (let i = 0; ; i++) {
      const answer = await fetch(url).catch(() => undefined);
      if (answer?.ok) break;
      if (i === 240 || child.exitCode !== null) throw new Error(`it does not start:\n${said}`);
      await pause(500);
    }
    return await use(url, () => said.slice(-3000));
  } finally {
    process.kill(-child.pid, 'SIGKILL');
    await ended;
  }
}

async function textOf(url, said) {
  const response = await fetch(url);
  const text = await response.text();
  if (!response.ok) throw new Error(`HTTP ${response.status}: ${text.slice(0, 300)}\n${said()}`);
  return text;
}

async function asked(url, text) {
  const { default: pg } = await import('pg');
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query(text);
    return rows[0]?.n;
  } finally {
    await client.end();
  }
}

/** Each case begins with nothing. */
async function createDatabase(name) {
  await asked(server.url, `CREATE DATABASE "${name}"`);
  const url = new URL(server.url);
  url.pathname = `/${name}`;
  return url.href;
}

/** How many others are connected to it. */
function connectionsTo(url) {
  return asked(
    url,
    'SELECT count(*)::integer AS n FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
  );
}

/** What after() began goes on when the answers are there; a process that is killed before has told nobody. */
async function stored(url) {
  for (let i = 0; i < 480; i++) {
    if ((await asked(url, 'SELECT count(*)::integer AS n FROM connector_state_cache')) > 0) return;
    await pause(250);
  }
  throw new Error('nothing was stored');
}

async function freePort() {
  const listener = createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address();
  listener.close();
  return port;
}
