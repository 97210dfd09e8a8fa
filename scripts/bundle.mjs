/**
 * What is published: each entry of the package in few files in place of the two hundred modules it is made of.
 *
 * A cold process reads, links and evaluates every module on the way from its entry, some 0.3 ms each, which was a third of its
 * cold start. Modules that the same entries load at once become one file; what `import()` loads later stays apart. What two
 * entries share stands once, so that a class is one class whoever imports it. Packages are left out.
 *
 * Names are kept (errors and traces show them) and nothing is minified. All files lie in one folder, so what is found beside a
 * file of ours is found beside any.
 */
import { readFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
const { exports, bin } = JSON.parse(readFileSync('package.json', 'utf8'));

/** `dist/lib/NAME.js` is made of the module whose declarations stand beside it in `exports`. */
const input = Object.fromEntries(
  Object.values(exports).flatMap(({ import: esm }) =>
    esm ? [[basename(esm.default, '.js'), esm.types.replace(/\.d\.ts$/, '.js')]] : [],
  ),
);
input[basename(bin['connector-state'], '.js')] = './dist/src/cli/main.js';
// A process of its own that the demo starts by its path.
input.worker = './dist/src/cli/demo/worker.js';

/** By module: the entries that load it at once, of those whose start matters. By itself Rolldown would also keep apart what some
 * command or a later `import()` shares with them, and make fifty small files where ten do. */
const loadedBy = new Map();
const STATIC = /^(?:import|export) (?:[^'"()]*? from )?'(\.{1,2}\/[^']+)'/gm;
function visit(path, entry) {
  const names = loadedBy.get(path) ?? new Set();
  if (names.has(entry)) return;
  loadedBy.set(path, names.add(entry));
  for (const [, to] of readFileSync(path, 'utf8').matchAll(STATIC)) visit(join(dirname(path), to), entry);
}
for (const entry of ['index', 'bybit', 'bingx', 'ccxt', 'client', 'edge', 'next'])
  visit(join(input[entry]), entry);
const groupOf = id => {
  const names = loadedBy.get(relative('.', id));
  return names && `of-${[...names].join('-')}`;
};

const bundle = await rolldown({
  input,
  platform: 'node',
  preserveEntrySignatures: 'allow-extension',
  external: id => !/^[./]/.test(id),
  onLog(level, log) {
    // Another entry loads at once what this one loads later, which is as it should be.
    if (log.code === 'INEFFECTIVE_DYNAMIC_IMPORT') return;
    throw new Error(`${level}: ${log.message}`);
  },
});
await bundle.write({
  dir: 'dist/lib',
  entryFileNames: '[name].js',
  chunkFileNames: 'chunk-[name].js',
  keepNames: true,
  codeSplitting: {
    includeDependenciesRecursively: false,
    groups: [{ name: groupOf, debugName: 'loaded at once' }],
  },
});
