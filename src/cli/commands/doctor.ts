import { type Command, Option } from 'commander';
import { withDeadline } from '../../base/deadline.js';
import { createLogger } from '../../base/logging.js';
import type { Settings } from '../../composition/settings.js';
import { ENVIRONMENTS, type Environment } from '../../events/connector.js';
import { createPool } from '../../postgres/pool.js';
import type { Check } from '../doctor/check.js';
import { ok } from '../doctor/check.js';
import { EXIT } from '../exit-codes.js';
import { table } from '../output.js';
import { runSession, type Session } from '../session.js';

interface Options {
  readonly json?: boolean;
  readonly storeRights?: boolean;
  readonly user: string;
  readonly deployed?: string;
  readonly exchange?: readonly string[];
  readonly environment: Environment;
}

/** How long a server may take to close its connections before they are cut. */
const GOODBYE_MS = 1_000;

export function addDoctor(program: Command): void {
  program
    .command('doctor')
    .description('check everything this deployment stands on, and say what to do')
    .option('--store-rights', 'print what a user of EventStoreDB must be granted, and how; contacts nothing')
    .option('--user <name>', 'whom --store-rights grants it to', 'connector-state')
    .option('--deployed <dir>', 'load what a build will deploy (.next/standalone) and name what is missing')
    .option(
      '--exchange <name...>',
      'ask these exchanges for their time, as an init would; <name>=https://<host> for another host',
    )
    .addOption(new Option('--environment <name>', 'of --exchange').choices(ENVIRONMENTS).default('MAINNET'))
    .addHelpText(
      'after',
      `
Changes nothing. Exit 0: nothing failed (warnings may be), 1: something is not right, 2: the settings are not,
3: the database or the event store does not answer.

Examples:
  connector-state doctor --exchange BYBIT BINGX
  connector-state doctor --json | jq '.checks[] | select(.status != "ok")'`,
    )
    .action((options: Options) =>
      runSession(options.json === true, async session => {
        if (options.storeRights) return printStoreRights(session, options.user);
        const checks =
          options.deployed === undefined
            ? await examine(session, options)
            : await examineFiles(options.deployed);
        const healthy = checks.every(({ status }) => status !== 'fail');
        const said = checks.map(({ cause: _, ...check }) => check);
        session.out.data({ healthy, checks: said }, () => show(checks));
        if (!healthy) process.exitCode = exitCodeOf(checks);
      }),
    );
}

async function examineFiles(directory: string): Promise<Check[]> {
  const { checkDeployed } = await import('../doctor/deployed-checks.js');
  return checkDeployed(directory);
}

async function printStoreRights({ out }: Session, user: string): Promise<void> {
  const { grantsFor, rightsNeeded } = await import('../../event-store/eventstoredb/rights.js');
  const rights = rightsNeeded(true);
  const grants = grantsFor(user);
  out.data({ rights, grants }, () =>
    [
      table(
        ['to', 'of', 'roles'],
        rights.map(({ purpose, stream, roles }) => [purpose, stream, roles.join(' ')]),
        ['left', 'left', 'left'],
      ),
      '',
      'Members of $admins have all of it. Without $settings every user has all of it but $all.',
      'One of these, written by an administrator, grants $all:',
      `  metadata of the stream $all:            ${JSON.stringify(grants.all)}`,
      '  an event update-default-acl in $settings (it replaces what is there; name other users too):',
      `    ${JSON.stringify(grants.settings)}`,
    ].join('\n'),
  );
}

/** What must be mended first. */
function exitCodeOf(checks: readonly Check[]): number {
  const causes = checks.map(({ cause }) => cause);
  if (causes.includes('settings')) return EXIT.usage;
  return causes.includes('unreachable') ? EXIT.unavailable : EXIT.failed;
}

async function examine(session: Session, options: Options): Promise<Check[]> {
  const { checkExchanges, parseAsked } = await import('../doctor/exchange-checks.js');
  const asked = (options.exchange ?? []).map(parseAsked);
  const { url, settings } = await session.openDatabase({ isContacted: false });
  const { checkEventStoreUrl, openEventStore, openPostgresEventStore } = await import(
    '../../composition/event-stores.js'
  );
  const eventsUrl = settings.eventStoreUrl ?? url;
  await checkEventStoreUrl(eventsUrl);
  const log = await createLogger('silent', 'json');
  const pool = createPool({ connectionString: url, max: Math.max(2, settings.poolSize), log });
  session.onEnd(() => withDeadline(pool.end(), GOODBYE_MS, () => pool.destroy()));
  const database = await import('../doctor/database-checks.js');
  const events = await import('../doctor/event-checks.js');

  // Whatever becomes of the database.
  const checks: Check[] = [
    ok('settings', describe(settings)),
    ...(await checkExchanges(asked, options.environment)),
  ];
  const remote = eventsUrl === url ? undefined : await openEventStore(eventsUrl, { ...settings, log });
  if (remote) {
    session.onEnd(() => remote.close());
    checks.push(await events.checkEventStore(remote));
  }
  const reached = await database.checkDatabase(url, pool);
  checks.push(reached);
  if (reached.status === 'fail') return checks;
  const tables = await database.checkTables('tables', url);
  checks.push(tables);
  // Everything below reads them.
  if (tables.status === 'fail') return checks;

  const store = remote?.store ?? (await openPostgresEventStore(url, pool, { ...settings, log }));
  if (!remote) session.onEnd(() => store.close());
  const { createProjector } = await import('../../projector/index.js');
  const { sharedClocks } = await import('../../read-model/clock-queries.js');
  const { createOutboxTable } = await import('../../event-store/outbox/index.js');
  const projector = createProjector({ store, pool, namedStatements: settings.namedStatements, log });
  const server = await import('../doctor/server-checks.js');
  const sharedTier = await import('../doctor/shared-tier-check.js');
  const { checkRole, isTenant } = await import('../doctor/role-check.js');
  const { guarded } = server;
  const hasRemoteEvents = remote !== undefined;
  const { projection, namedStatements } = settings;
  const isEmbedded = settings.databaseUrl === undefined;
  checks.push(
    await guarded('role', () => checkRole(pool, { projection, hasRemoteEvents, isEmbedded })),
    await guarded('pooler', () => server.checkPooler(pool)),
    ...(await server.checkDefaults(pool)),
    await guarded('locks', () => server.checkLocks(pool)),
    await guarded('rehearsal', () => server.checkRehearsal(pool, { hasRemoteEvents })),
    await guarded('clock', () => database.checkClock(pool, namedStatements)),
    await guarded('shared clocks', () => database.checkSharedClocks(pool)),
    await guarded('shared tier', async () =>
      (await isTenant(pool))
        ? ok('shared tier', 'not looked at: that takes the figures of all users')
        : sharedTier.checkDemand(pool, settings),
    ),
    ...(settings.redisUrl === undefined
      ? []
      : [await guarded('redis', () => sharedTier.checkRedis(settings))]),
    ...(await (await import('../doctor/replica-check.js')).checkReplicas(pool, settings, log)),
    await guarded('outbox', () => events.checkOutbox(createOutboxTable(pool, namedStatements))),
    await guarded('dead letters', () => events.checkDeadLetters(projector)),
  );
  if (checks.every(({ name, status }) => name !== 'event store' || status !== 'fail')) {
    checks.push(await guarded('edges', async () => events.checkEdges(store, await sharedClocks(pool))));
  }
  // Without an event store nobody knows how far behind it is.
  if (checks.every(({ cause }) => cause === undefined)) {
    checks.push(
      await guarded('retention', () => events.checkRetention(projector, settings)),
      await events.checkProjector(projector),
    );
  }
  return checks;
}

function describe({ databaseUrl, eventStoreUrl, projection }: Settings): string {
  const scheme = eventStoreUrl && /^[a-z+]+/.exec(eventStoreUrl)?.[0];
  return [
    databaseUrl ? 'DATABASE_URL is set' : 'the embedded database',
    scheme ? `events in a store of their own (${scheme})` : 'events in the database',
    `projection ${projection}`,
  ].join(', ');
}

const show = (checks: readonly Check[]): string =>
  table(
    ['', 'what', 'finding'],
    checks.flatMap(({ name, status, message, remedy }) => [
      [status, name, message],
      ...(remedy ? [['', '', `→ ${remedy}`]] : []),
    ]),
    ['left', 'left', 'left'],
  );
