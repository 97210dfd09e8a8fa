/** The built command line, run as a user would run it. */
import { fileURLToPath } from 'node:url';
import { type RunOptions, type RunResult, runNode, type SpawnedNode, spawnNode } from '../support/run.js';

export const MAIN = fileURLToPath(new URL('../../dist/lib/connector-state.js', import.meta.url));

// What the machine that runs the tests has set must not decide what they see.
const CLEAN = {
  DATABASE_URL: undefined,
  EVENT_STORE_URL: undefined,
  LOG_LEVEL: undefined,
  LOG_FORMAT: undefined,
  CONNECTOR_STATE_DATA_DIR: undefined,
};

export const cli = (args: readonly string[], options: RunOptions = {}): Promise<RunResult> =>
  runNode([MAIN, ...args], { ...options, env: { ...CLEAN, ...options.env } });

export const spawnCli = (args: readonly string[], options: RunOptions = {}): SpawnedNode =>
  spawnNode([MAIN, ...args], { ...options, env: { ...CLEAN, ...options.env } });

export const json = (result: RunResult): Record<string, unknown> => {
  if (result.stdout === '')
    throw new Error(`nothing on stdout; code ${result.code}, stderr: ${result.stderr}`);
  return JSON.parse(result.stdout) as Record<string, unknown>;
};
