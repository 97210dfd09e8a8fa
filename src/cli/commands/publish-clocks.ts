import { setTimeout as pause } from 'node:timers/promises';
import type { Command } from 'commander';
import { silentLogger } from '../../base/logging.js';
import type { PublishOutcome } from '../../edge/index.js';
import { EXIT, WrongSettingError } from '../exit-codes.js';
import { runSession, type Session } from '../session.js';

interface Options {
  readonly json?: boolean;
  readonly once?: boolean;
  readonly to?: string;
}

const SETTINGS = ['CLOUDFLARE_ACCOUNT_ID', 'CLOUDFLARE_KV_NAMESPACE_ID', 'CLOUDFLARE_API_TOKEN'] as const;
/** Condemned clocks are published within this; a store takes a minute to show them everywhere. */
const EVERY_MS = 10_000;

export function addPublishClocks(program: Command): void {
  program
    .command('publish-clocks')
    .description("publish the exchanges' shared clocks to Workers KV, for connector-state/edge, until Ctrl-C")
    .option('--once', 'publish them now, then end')
    .option('--to <url>', "another address of Cloudflare's API, for tests")
    .addHelpText(
      'after',
      `\nA clock is written when it has changed, and every 24 minutes. Needs ${SETTINGS.join(', ')}; the token needs the right to edit Workers KV storage, nothing else. Exit 1: a clock could not be written.\n\nExample:\n  connector-state publish-clocks --once --json`,
    )
    .action((options: Options) => runSession(options.json === true, session => run(session, options)));
}

async function run(
  { openDatabase, out, onEnd, signal }: Session,
  { once = false, to }: Options,
): Promise<void> {
  const [accountId, namespaceId, apiToken] = SETTINGS.map(required) as [string, string, string];
  const { url } = await openDatabase();
  const { createPool, toDatabaseError } = await import('../../postgres/pool.js');
  const { usableClocks } = await import('../../read-model/clock-queries.js');
  const { ClockPublisher, cloudflareKv } = await import('../../edge/index.js');
  const pool = createPool({ connectionString: url, max: 1, log: silentLogger });
  onEnd(() => pool.end());
  const store = cloudflareKv({ accountId, namespaceId, apiToken, apiUrl: to });
  const publisher = new ClockPublisher({
    read: () => usableClocks(pool).catch(error => Promise.reject(toDatabaseError(error))),
    store,
  });
  if (once) {
    const outcome = await publisher.publish();
    out.data(outcome, () => inWords(outcome));
    if (outcome.failed.length > 0) process.exitCode = EXIT.failed;
    return;
  }
  out.message('publishing until Ctrl-C');
  while (!signal.aborted) {
    const outcome = await publisher.publish().catch(error => failedAltogether(error));
    if (outcome.written > 0 || outcome.failed.length > 0) out.message(inWords(outcome));
    await pause(EVERY_MS, undefined, { signal }).catch(() => undefined);
  }
}

const failedAltogether = (error: unknown): PublishOutcome => ({
  written: 0,
  unchanged: 0,
  failed: [{ key: 'every clock', problem: error instanceof Error ? error.message : String(error) }],
});

const inWords = ({ written, unchanged, failed }: PublishOutcome): string =>
  [
    `Published ${written} clock(s); ${unchanged} had not changed.`,
    ...failed.map(({ key, problem }) => `Not published: ${key} (${problem}).`),
  ].join('\n');

function required(name: string): string {
  const value = process.env[name]?.trim();
  if (value) return value;
  throw new WrongSettingError(`${name} is not set: publish-clocks needs ${SETTINGS.join(', ')}`);
}
