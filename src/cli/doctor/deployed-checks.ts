/**
 * Whether what a platform's file tracer chose to deploy can be loaded: each module of ours in it, in a process of its own,
 * also those that a function loads after its first answer. A build can succeed, and a check of its pages pass, with a file
 * left out that the first request asks for.
 */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import { OPTIONAL_PACKAGES, packageName } from '../../base/optional-package.js';
import { type Check, fail, ok } from './check.js';

const NAME = 'deployed files';
const ENTRIES = /^dist\/(?:cjs\/)?lib\/(index|bybit|bingx|ccxt|services|next)\.js$/;
const EXCHANGE = /(bybit|bingx)\.js$/;
const REMEDY =
  'build with withConnectorState() of connector-state/next around the configuration; another tracer must be told to include the file';

interface Problem {
  readonly file: string;
  readonly code?: string;
  readonly message: string;
}

/** Runs where the deployed files are; prints what of them cannot be loaded. */
const PROGRAM = `
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
const modules = new Set();
const problems = [];
const visit = (file, by) => {
  if (modules.has(file)) return;
  if (!existsSync(file)) return void problems.push({ file, message: 'is not there, and ' + by + ' loads it' });
  modules.add(file);
  for (const [, , to] of readFileSync(file, 'utf8').matchAll(/(from|import|require)\\s*\\(?\\s*['"](\\.{1,2}\\/[^'"]+\\.js)['"]/g))
    visit(join(dirname(file), to), file);
};
for (const entry of process.argv.slice(1)) visit(entry, '');
for (const file of modules)
  await import(pathToFileURL(file)).catch(({ code, message }) => problems.push({ file, code, message }));
process.stdout.write(JSON.stringify({ loaded: modules.size, problems }), () => process.exit(0));
`;

/** @param directory such as `.next/standalone` */
export async function checkDeployed(directory: string): Promise<Check[]> {
  const isFolder = statSync(directory, { throwIfNoEntry: false })?.isDirectory() === true;
  const homes = isFolder ? findHomes(directory) : [];
  if (homes.length === 0) {
    return [fail(NAME, `${directory} holds no node_modules/connector-state`, REMEDY)];
  }
  return Promise.all(homes.map(home => checkHome(directory, home)));
}

async function checkHome(directory: string, home: string): Promise<Check> {
  const place = relative(directory, home) || '.';
  const entries = filesUnder(join(home, 'dist')).filter(file =>
    ENTRIES.test(relative(home, file).replaceAll('\\', '/')),
  );
  if (entries.length === 0) return fail(NAME, `${place} holds none of the package's entries`, REMEDY);
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--input-type=module', '--eval', PROGRAM, ...entries],
    { cwd: home, env: { ...process.env, NEXT_PHASE: '' }, maxBuffer: 64 * 1024 * 1024 },
  );
  const { loaded, problems } = JSON.parse(stdout) as { loaded: number; problems: Problem[] };
  const exchanges = entries.filter(file => EXCHANGE.test(file));
  const withoutSdk = problems.filter(problem => exchanges.includes(problem.file) && isOptional(problem));
  // Some tracers take all files of a folder: an exchange without its SDK is one that the app does not use, unless none has its own.
  const isUsable = withoutSdk.length < exchanges.length || exchanges.length === 0;
  const missing = problems.filter(problem =>
    withoutSdk.includes(problem) ? !isUsable : entries.includes(problem.file) || !isOptional(problem),
  );
  if (missing.length === 0) {
    const unusable = withoutSdk.map(({ message }) => `; ${firstLine(message)}`).join('');
    return ok(NAME, `${place}: all ${loaded} modules load${unusable}`);
  }
  const sentences = new Set(
    missing.map(({ file, message }) => `${relative(home, file)}: ${firstLine(message)}`),
  );
  return fail(NAME, `${place}: ${[...sentences].join('; ')}`, REMEDY);
}

const firstLine = (message: string) => message.split('\n')[0] ?? '';

/** What is loaded only where its feature is used, and whose package the app does not have. */
function isOptional({ code, message }: Problem): boolean {
  if (code === 'PACKAGE_MISSING') return true;
  const isNotFound = code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND';
  const names = Object.values(OPTIONAL_PACKAGES).flat().map(packageName);
  return isNotFound && names.some(name => message.includes(`'${name}`));
}

/** Every copy of the package in a tree, wherever a package manager or a monorepo put it. */
function findHomes(directory: string, found = new Set<string>()): string[] {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (!entry.isDirectory()) continue;
    if (entry.name === 'connector-state' && isOurs(path)) found.add(realpathSync(path));
    else findHomes(path, found);
  }
  return [...found];
}

function isOurs(path: string): boolean {
  const manifest = join(path, 'package.json');
  if (!existsSync(manifest)) return false;
  return (JSON.parse(readFileSync(manifest, 'utf8')) as { name?: unknown }).name === 'connector-state';
}

const filesUnder = (directory: string): string[] =>
  existsSync(directory)
    ? readdirSync(directory, { recursive: true, encoding: 'utf8' }).map(name => join(directory, name))
    : [];
