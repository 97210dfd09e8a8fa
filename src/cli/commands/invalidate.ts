import { userInfo } from 'node:os';
import type { Command } from 'commander';
import { NotFoundError } from '../exit-codes.js';
import { runSession } from '../session.js';

export function addInvalidate(program: Command): void {
  program
    .command('invalidate')
    .description('condemn the sync that one connector rests on; it is not used again')
    .argument('<userId>', '1 to 128 characters')
    .argument('<credentialId>', '1 to 128 characters')
    .addHelpText('after', '\nExample:\n  connector-state invalidate alice bybit-main')
    .action((userId: string, credentialId: string, options: { json?: boolean }) =>
      runSession(options.json === true, async ({ open, out }) => {
        const { cache } = await open();
        const condemned = await cache.invalidate({ userId, credentialId }, `cli:${userInfo().username}`);
        if (!condemned) throw new NotFoundError(`there is no state of ${userId} ${credentialId}`);
        out.data(
          { userId, credentialId, ...condemned },
          () =>
            `Condemned sync ${condemned.syncId}: the next init of ${userId} ${credentialId} does not use it.`,
        );
      }),
    );
}
