import { type Command, InvalidArgumentError } from 'commander';
import { isPostgresUrl } from '../../postgres/database-url.js';
import type { Migrated } from '../../read-model/migrate.js';
import { runSession } from '../session.js';
import { parseWait } from '../wait.js';

interface Options {
  readonly json?: boolean;
  readonly functionsRole?: string;
  readonly workerRole?: string;
  readonly wait: number;
}

/** A variable that is unset in a script would grant nothing, and say that all is well. */
function roleOf(value: string): string {
  if (value.trim() !== '') return value;
  throw new InvalidArgumentError('It is empty: give the name of a role that exists.');
}

export function addMigrate(program: Command): void {
  program
    .command('migrate')
    .description('create or upgrade the tables, and grant roles what they need')
    .option(
      '--functions-role <name>',
      'grant this existing role what a function needs: append and read',
      roleOf,
    )
    .option('--worker-role <name>', 'grant this existing role what the projector needs as well', roleOf)
    .option('--wait <seconds>', "how long to wait for other sessions' locks", parseWait, 60)
    .addHelpText(
      'after',
      '\nSafe to run twice, from several processes at once, and through a pooler of any mode.\n\nExample:\n  DATABASE_URL=postgres://owner@db/trading connector-state migrate --functions-role app --worker-role projector',
    )
    .action((options: Options) =>
      runSession(options.json === true, async ({ openDatabase, out, signal }) => {
        const { url, settings } = await openDatabase({ mayCreate: true });
        // An EventStoreDB has no tables.
        const urls = [...new Set([url, settings.eventStoreUrl ?? url])].filter(isPostgresUrl);
        const applied: string[] = [];
        const remade: string[] = [];
        const { migrate } = await import('../../read-model/migrate.js');
        for (const each of urls) {
          const result = await migrate(each, {
            log: text => out.message(text),
            waitMs: options.wait * 1_000,
            signal,
          });
          applied.push(...result.applied);
          remade.push(...result.remade);
        }
        const { functionsRole, workerRole } = options;
        if (functionsRole !== undefined || workerRole !== undefined) {
          const { grantPrivileges } = await import('../../read-model/grants.js');
          for (const each of urls) {
            await grantPrivileges(each, {
              ...(functionsRole && { functionsRole }),
              ...(workerRole && { workerRole }),
            });
          }
        }
        const roles = { functionsRole: functionsRole ?? null, workerRole: workerRole ?? null };
        out.data({ applied, remade, ...roles }, () => textOf({ applied, remade }));
      }),
    );
}

function textOf({ applied, remade }: Migrated): string {
  const lines = applied.length > 0 ? [`Applied: ${applied.join(', ')}`] : [];
  if (remade.length > 0) {
    lines.push(
      `Made anew, for they were missing: ${remade.join(', ')}. The projector folds the log into them from the start. No role has rights to them yet: give --functions-role and --worker-role again, and bind tenants again.`,
    );
  }
  return lines.join('\n') || 'Nothing to apply: the tables are up to date.';
}
