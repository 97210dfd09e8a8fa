import type { Command } from 'commander';
import { Argument, Option } from 'commander';
import { InvalidInputError } from '../../base/errors.js';
import { createLogger } from '../../base/logging.js';
import {
  createKey,
  type KeyRecord,
  listKeys,
  type MadeKey,
  revokeKey,
  rotateKey,
} from '../../http/access/key-table.js';
import { DatabaseError, reasonOf } from '../../postgres/database-error.js';
import { createPool, toDatabaseError } from '../../postgres/pool.js';
import { NotFoundError } from '../exit-codes.js';
import { type OptionsOfActions, refuseOptionsOfOthers } from '../options-of-actions.js';
import { table } from '../output.js';
import { iso } from '../quantities.js';
import { runSession, type Session } from '../session.js';
import { parseSince, type Since } from '../since.js';

interface Options {
  readonly json?: boolean;
  readonly name?: string;
  readonly role?: string[];
  readonly user?: string;
  readonly expiresIn?: Since;
  readonly grace: Since;
}

type Action = 'create' | 'list' | 'rotate' | 'revoke';
const ACTIONS: readonly Action[] = ['create', 'list', 'rotate', 'revoke'];

const OPTIONS: OptionsOfActions<Action> = {
  create: ['--name', '--role', '--user', '--expires-in'],
  list: [],
  rotate: ['--grace'],
  revoke: [],
};

const OWNERS_ONLY =
  'keys are made, rotated and revoked by the owner of the tables, and listed by a worker’s role too: set DATABASE_URL to the owner’s, as for `connector-state migrate`';

export function addKeys(program: Command): void {
  program
    .command('keys')
    .description('make, list, rotate and revoke keys of the HTTP API')
    .addArgument(new Argument('<action>', 'what to do').choices(ACTIONS))
    .argument('[prefix]', 'which key to rotate or revoke, as `list` shows it')
    .option('--name <text>', 'what a new key is for')
    .option('--role <role...>', 'what it may: reader, writer, analyst, operator')
    .option('--user <id>', 'the only user it may know of')
    .option('--expires-in <span>', 'when it ends: 24h, 90d; default: never', parseSince)
    .addOption(
      new Option('--grace <span>', 'how long a rotated key stays good')
        .argParser(parseSince)
        .default({ agoMs: 86_400_000 } satisfies Since, '24h'),
    )
    .addHelpText(
      'after',
      `
A key is shown once, and kept as a hash only. A service takes 5 s to hear of a key that was revoked.

Examples:
  connector-state keys create --name app --role writer reader --expires-in 90d
  connector-state keys create --name "alice's page" --role reader --user alice
  connector-state keys rotate 4hk2m9xqztcv --grace 24h`,
    )
    .action((action: Action, prefix: string | undefined, options: Options, command: Command) =>
      runSession(options.json === true, session => {
        refuseOptionsOfOthers(command, action, OPTIONS);
        return run(session, action, prefix, options);
      }),
    );
}

async function run(
  session: Session,
  action: Action,
  prefix: string | undefined,
  options: Options,
): Promise<void> {
  const needsPrefix = action === 'rotate' || action === 'revoke';
  if (!needsPrefix && prefix !== undefined)
    throw new InvalidInputError(`keys ${action} takes no prefix of a key, got ${JSON.stringify(prefix)}`);
  const state = await session.open({}, { mayCreate: action === 'create' });
  const pool = createPool({
    connectionString: state.databaseUrl,
    max: 1,
    log: await createLogger('silent', 'json'),
  });
  session.onEnd(() => pool.end());
  try {
    if (action === 'list') return showAll(session, await listKeys(pool));
    if (action === 'create') return showMade(session, await createKey(pool, newKeyOf(options)));
    if (prefix === undefined)
      throw new InvalidInputError(`keys ${action} needs the prefix of a key: see \`keys list\``);
    if (action === 'rotate') {
      const made = await rotateKey(pool, prefix, spanOf('--grace', options.grace));
      if (!made) throw new NotFoundError(`no key ${prefix} that is not revoked: see \`keys list\``);
      return showMade(session, made);
    }
    if (!(await revokeKey(pool, prefix))) {
      throw new NotFoundError(`no key ${prefix} that is not revoked: see \`keys list\``);
    }
    session.out.data(
      { revoked: prefix },
      () => `${prefix} is revoked; services have heard of it within 5 s.`,
    );
  } catch (error) {
    if (error instanceof NotFoundError || error instanceof InvalidInputError) throw error;
    // No option of `migrate` gives this right to a role: whoever may make keys may make an operator's.
    if (reasonOf(error) === 'missing-right')
      throw new DatabaseError('missing-right', `${OWNERS_ONLY} (${(error as Error).message})`);
    throw toDatabaseError(error);
  }
}

function newKeyOf({ name, role = [], user, expiresIn }: Options) {
  if (name === undefined) throw new InvalidInputError('keys create needs --name: say what the key is for');
  return {
    name,
    roles: role,
    userId: user,
    expiresInMs: expiresIn && spanOf('--expires-in', expiresIn),
  };
}

function spanOf(option: string, span: Since): number {
  if ('agoMs' in span) return span.agoMs;
  throw new InvalidInputError(`${option} must be a span like 24h or 90d`);
}

function showMade({ out }: Session, { key, record }: MadeKey): void {
  out.message('Copy the key now: it is shown this once, and kept as a hash only.');
  out.data({ key, ...record }, () => key);
}

function showAll({ out }: Session, keys: readonly KeyRecord[]): void {
  const time = (ms: number | null, never: string) => (ms === null ? never : iso(ms));
  out.data({ keys }, () =>
    keys.length === 0
      ? 'No keys.'
      : table(
          ['prefix', 'roles', 'user', 'last used', 'ends', 'name'],
          keys.map(({ prefix, roles, userId, lastUsedAtMs, expiresAtMs, revokedAtMs, name }) => [
            prefix,
            roles.join(' '),
            userId ?? 'all',
            time(lastUsedAtMs, 'never'),
            revokedAtMs === null ? time(expiresAtMs, 'never') : `revoked ${iso(revokedAtMs)}`,
            name,
          ]),
          ['left', 'left', 'left', 'left', 'left', 'left'],
        ),
  );
}
