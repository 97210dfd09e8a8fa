import { Argument, type Command } from 'commander';
import { InvalidInputError } from '../../base/errors.js';
import { isPostgresUrl } from '../../postgres/database-url.js';
import type { ListedTenant } from '../../read-model/tenants.js';
import { NotFoundError } from '../exit-codes.js';
import { type OptionsOfActions, refuseOptionsOfOthers } from '../options-of-actions.js';
import { table } from '../output.js';
import { iso } from '../quantities.js';
import { runSession, type Session } from '../session.js';
import { parseWait } from '../wait.js';

interface Options {
  readonly json?: boolean;
  readonly login?: string;
  readonly user?: string;
  readonly wait: number;
}

type Action = 'bind' | 'list' | 'unbind';
const ACTIONS: readonly Action[] = ['bind', 'list', 'unbind'];

const OPTIONS: OptionsOfActions<Action> = {
  bind: ['--login', '--user', '--wait'],
  list: [],
  unbind: ['--login', '--wait'],
};

export function addTenants(program: Command): void {
  program
    .command('tenants')
    .description(
      'bind logins of the database to one user each, who is then all they see (row-level security)',
    )
    .addArgument(new Argument('<action>', 'what to do').choices(ACTIONS))
    .option('--login <name>', 'an existing role that may log in')
    .option('--user <id>', 'the user whose rows and facts it may see and record')
    .option('--wait <seconds>', "how long to wait for other sessions' locks", parseWait, 60)
    .addHelpText(
      'after',
      `
For functions that connect to PostgreSQL directly and must not see each other's rows. The first tenant switches row-level security on for all tables, the last takes it off again. Run it as the owner of the tables; \`bind\` once more after an upgrade is harmless.

Examples:
  psql -c "CREATE ROLE alice_functions LOGIN PASSWORD '…'"
  connector-state tenants bind --login alice_functions --user alice
  connector-state tenants list
  connector-state tenants unbind --login alice_functions`,
    )
    .action((action: Action, options: Options, command: Command) =>
      runSession(options.json === true, session => {
        refuseOptionsOfOthers(command, action, OPTIONS);
        return run(session, action, options);
      }),
    );
}

async function run(session: Session, action: Action, { login, user, wait }: Options): Promise<void> {
  const { openDatabase, out, signal } = session;
  if (action !== 'list' && !login?.trim()) throw new InvalidInputError(`tenants ${action} needs --login`);
  if (action === 'bind' && user === undefined) throw new InvalidInputError('tenants bind needs --user');
  const { url, settings } = await openDatabase();
  // Facts in a PostgreSQL of their own are bound there too. An EventStoreDB has no rows to hold a login to.
  const urls = [...new Set([url, settings.eventStoreUrl ?? url])];
  if (action === 'bind' && !urls.every(isPostgresUrl)) {
    throw new InvalidInputError(
      'facts are kept in an EventStoreDB, which cannot hold a login to one user: give tenants tokens of `connector-state serve` (keys create --user)',
    );
  }
  const places = urls.filter(isPostgresUrl);
  const { bindTenant, listTenants, unbindTenant } = await import('../../read-model/tenants.js');
  const options = { waitMs: wait * 1_000, signal };
  if (action === 'list') {
    const tenants: ListedTenant[] = [];
    for (const each of places) tenants.push(...(await listTenants(each, signal)));
    return showAll(session, tenants);
  }
  if (action === 'bind') {
    const tenant = { login: login as string, userId: user as string };
    for (const each of places) await bindTenant(each, tenant, options);
    return out.data(tenant, () => `${tenant.login} sees, and records, facts of ${tenant.userId} only.`);
  }
  let wasBound = false;
  for (const each of places) wasBound = (await unbindTenant(each, login as string, options)) || wasBound;
  if (!wasBound) throw new NotFoundError(`no login ${login} that is bound: see \`tenants list\``);
  out.data({ unbound: login }, () => `${login} is bound to nobody, and may do nothing here any more.`);
}

function showAll({ out }: Session, tenants: readonly ListedTenant[]): void {
  for (const { login, problems } of tenants) {
    if (problems.length > 0) out.message(`${login} is not held to its user: ${problems.join('; ')}`);
  }
  // What a script goes by.
  if (tenants.some(({ problems }) => problems.length > 0)) process.exitCode = 1;
  out.data({ tenants }, () =>
    tenants.length === 0
      ? 'No tenants: row-level security is off.'
      : table(
          ['login', 'user', 'since', 'holds'],
          tenants.map(({ login, userId, boundAtMs, problems }) => [
            login,
            userId,
            iso(boundAtMs),
            problems.length === 0 ? 'yes' : 'no',
          ]),
          ['left', 'left', 'left', 'left'],
        ),
  );
}
