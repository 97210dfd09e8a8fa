/** The Lambda example put together by esbuild, as SAM, CDK, Serverless and SST do, from the package as it is installed. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { build, type Format } from 'esbuild';
import { createLightInstall, type LightInstall } from '../support/light-install.js';
import { projectDirectory, runNode } from '../support/run.js';
import { ACCOUNT, givenWorld } from '../support/world.js';

let installed: LightInstall;
let elsewhere: string;
beforeAll(() => {
  installed = createLightInstall(['bybit-api']);
  elsewhere = mkdtempSync(join(tmpdir(), 'connector-state-bundle-'));
});
afterAll(() => {
  installed.remove();
  rmSync(elsewhere, { recursive: true });
});

const example = readFileSync(join(projectDirectory, 'examples/aws-lambda/handler.mjs'), 'utf8');
/** CommonJS has no `await` at the top. */
const source = `${example.replace(/^if .*await open\(\);$/m, '')}
handler().then(
  answer => process.stdout.write(answer.body, () => process.exit(0)),
  error => process.stderr.write(error.message, () => process.exit(1)),
);`;

const bundle = (format: Format, outfile: string, packages: 'external' | 'bundle') =>
  build({
    // Where all optional packages are: without them the build itself says that they are not there.
    stdin: { contents: source, resolveDir: packages === 'external' ? installed.directory : projectDirectory },
    bundle: true,
    minify: true,
    platform: 'node',
    logLevel: 'silent',
    // For what of the packages is CommonJS.
    ...(format === 'esm' && {
      banner: { js: 'import{createRequire}from"node:module";const require=createRequire(import.meta.url);' },
    }),
    format,
    outfile,
    packages,
  });

describe.each<[Format, string]>([
  ['esm', 'handler.mjs'],
  ['cjs', 'handler.cjs'],
])('a function bundled as %s', (format, name) => {
  it('runs where packages are left out of it', async () => {
    const { databaseUrl, simulator } = await givenWorld();
    const file = join(installed.directory, name);
    await bundle(format, file, 'external');

    const { code, stdout, stderr } = await runNode([file], {
      env: {
        DATABASE_URL: databaseUrl,
        BYBIT_API_KEY: ACCOUNT.apiKey,
        BYBIT_API_SECRET: ACCOUNT.apiSecret,
        BYBIT_BASE_URL: simulator.bybitUrl,
        LOOKUP_DEADLINE_MS: '10000',
      },
    });

    expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.not.stringContaining('Error') });
    expect(JSON.parse(stdout)).toMatchObject({ cacheHit: false, contact: 'verify-first' });
  });

  it('says what to do where they were taken in', async () => {
    const file = join(elsewhere, name);
    await bundle(format, file, 'bundle');

    const { code, stderr } = await runNode([file]);

    expect(code).toBe(1);
    expect(stderr).toContain('leave packages out of the bundle and deploy node_modules with it');
  });
});
