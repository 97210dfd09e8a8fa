/**
 * After `tsc`: the CommonJS build, and declarations for what users can reach, and for nothing else.
 *
 * CommonJS is a build of its own and not `require(esm)`, because Jest and other module systems that are not Node's cannot
 * load ES modules by `require` (decision 46). SWC turns each ES module into one CommonJS module; what `import()` loads
 * later is then required later. Under `dist/cjs` a package.json of its own says that files and declarations are CommonJS.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transform } from '@swc/core';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
const { exports, typesVersions } = JSON.parse(readFileSync('package.json', 'utf8'));
const entries = Object.values(exports).flatMap(({ import: esm }) => (esm ? [esm] : []));
const oneWay = Object.keys(exports).filter(
  name =>
    !name.endsWith('.json') &&
    !(exports[name].require && (name === '.' || typesVersions['*'][name.slice(2)])),
);
if (oneWay.length > 0)
  throw new Error(
    `package.json: ${oneWay.join(', ')} must have import and require, as '.' has, and a line in typesVersions`,
  );

const RELATIVE = /(?:from|import)\s*\(?\s*['"](\.{1,2}\/[^'"]+)['"]/g;

/** Every file of ours on the way from `paths`, imports that wait included. */
function reachable(paths, fileOf) {
  const found = new Set();
  const add = path => {
    if (found.has(path)) return;
    found.add(path);
    for (const [, specifier] of readFileSync(path, 'utf8').matchAll(RELATIVE)) {
      add(fileOf(join(dirname(path), specifier)));
    }
  };
  for (const path of paths) add(fileOf(path));
  return found;
}

const toDeclaration = path => join(path).replace(/(\.d\.ts|\.js)$/, '.d.ts');
const declarations = reachable(
  entries.map(({ types }) => types),
  toDeclaration,
);
const modules = reachable(
  entries.map(entry => entry.default),
  path => join(path),
);

for (const folder of ['dist/src', 'dist/projections']) {
  for (const name of readdirSync(folder, { recursive: true })) {
    const path = join(folder, name);
    if (path.endsWith('.d.ts') && !declarations.has(path)) rmSync(path);
  }
}

// Users have no @types/pg, which the API has nothing of, and not all have prom-client or redis: of these types the name is enough.
const FOREIGN = /^import type \{ ([^}]+) \} from '(?:pg|prom-client|redis)';$/gm;
for (const path of declarations) {
  const text = readFileSync(path, 'utf8');
  const without = text
    .replace(FOREIGN, (_, names) =>
      names
        .split(', ')
        .map(name => `type ${name} = any;`)
        .join('\n'),
    )
    .replaceAll("typeof import('prom-client')", 'any');
  if (without !== text) writeFileSync(path, without);
}

const toCommonJs = path => path.replace(/^dist/, 'dist/cjs');
function write(path, text) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

if (existsSync('dist/cjs')) rmSync('dist/cjs', { recursive: true });
write('dist/cjs/package.json', '{ "type": "commonjs" }\n');
for (const path of declarations) cpSync(path, toCommonJs(path));
await Promise.all(
  [...modules].map(async path => {
    const { code } = await transform(readFileSync(path, 'utf8'), {
      filename: path,
      swcrc: false,
      jsc: { parser: { syntax: 'ecmascript' }, target: 'es2022' },
      module: { type: 'commonjs', importInterop: 'node', strict: true, exportInteropAnnotation: true },
    });
    write(toCommonJs(path), code);
  }),
);
