/** `doctor --deployed`: what a platform's file tracer left out is named before the first request asks for it. */
import { cpSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createLightInstall, type LightInstall } from '../support/light-install.js';
import { projectDirectory, runNode } from '../support/run.js';

let deployed: LightInstall;
beforeAll(() => {
  deployed = createLightInstall(['bybit-api']);
  // A tracer takes the entries that an app uses.
  for (const entry of ['bingx', 'ccxt']) rmSync(join(deployed.home, `dist/lib/${entry}.js`), { force: true });
  rmSync(join(deployed.home, 'dist/cjs'), { recursive: true });
});
afterAll(() => deployed.remove());

const doctor = (directory: string) =>
  runNode([`${projectDirectory}dist/lib/connector-state.js`, 'doctor', '--json', '--deployed', directory]);

describe('doctor --deployed', () => {
  it('finds nothing wrong where all can be loaded; optional packages may be missing', async () => {
    const { code, stdout } = await doctor(deployed.directory);
    expect(JSON.parse(stdout)).toMatchObject({ healthy: true });
    expect(code).toBe(0);
  });

  it('tells of an exchange whose package is not there beside one whose is, and fails where none is', async () => {
    cpSync(`${projectDirectory}dist/lib/bingx.js`, join(deployed.home, 'dist/lib/bingx.js'));
    const one = await doctor(deployed.directory);
    expect(JSON.parse(one.stdout)).toMatchObject({ healthy: true });
    expect(JSON.parse(one.stdout).checks[0].message).toContain('bingx needs the package bingx-api');

    const sdk = join(deployed.directory, 'node_modules/bybit-api');
    renameSync(sdk, `${sdk}-away`);
    const none = await doctor(deployed.directory);
    renameSync(`${sdk}-away`, sdk);
    rmSync(join(deployed.home, 'dist/lib/bingx.js'));
    expect(none.code).toBe(1);
    expect(JSON.parse(none.stdout).checks[0].message).toContain('bybit needs the package bybit-api');
  });

  it('names a module that is loaded later, a package, and a place that holds nothing', async () => {
    rmSync(join(deployed.home, 'dist/lib/chunk-ids.js'));
    rmSync(join(deployed.directory, 'node_modules/opossum'));
    const { code, stdout } = await doctor(deployed.directory);
    expect(code).toBe(1);
    const [{ message: finding }] = JSON.parse(stdout).checks;
    expect(finding).toContain('dist/lib/chunk-ids.js');
    expect(finding).toContain("'opossum'");

    const empty = await doctor(join(deployed.directory, 'node_modules/pg'));
    expect(empty.code).toBe(1);
    expect(empty.stdout).toContain('holds no node_modules/connector-state');

    const file = await doctor(join(deployed.directory, 'package.json'));
    expect(file.code).toBe(1);
    expect(file.stdout).toContain('holds no node_modules/connector-state');
  });
});
