import type { Command } from 'commander';
import { NotFoundError } from '../exit-codes.js';
import { runSession } from '../session.js';
import { inWords } from './explain-text.js';

export function addExplain(program: Command): void {
  program
    .command('explain')
    .description('why a connector has this offset, why it is kept for so long, and when that ends')
    .argument('<userId>', '1 to 128 characters')
    .argument('<credentialId>', '1 to 128 characters')
    .addHelpText(
      'after',
      '\nExamples:\n  connector-state explain alice bybit-main\n  connector-state explain alice bybit-main --json | jq .chosenBy.ttlInputs',
    )
    .action((userId: string, credentialId: string, options: { json?: boolean }) =>
      runSession(options.json === true, async ({ open, out }) => {
        const { cache } = await open();
        const explanation = await cache.explain({ userId, credentialId });
        if (!explanation)
          throw new NotFoundError(`no state of ${userId} ${credentialId}: it has not been initialised yet`);
        const found = { userId, credentialId, ...explanation };
        out.data(found, () => inWords(userId, credentialId, explanation));
      }),
    );
}
