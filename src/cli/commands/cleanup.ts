import type { Command } from 'commander';
import { runSession } from '../session.js';

export function addCleanup(program: Command): void {
  program
    .command('cleanup')
    .description('remove the states that have expired')
    .addHelpText('after', '\nExample:\n  connector-state cleanup --json')
    .action((options: { json?: boolean }) =>
      runSession(options.json === true, async ({ open, out }) => {
        const { cache } = await open();
        const removed = await cache.cleanupExpired('cli');
        out.data({ removed }, () => `Removed ${removed} expired ${removed === 1 ? 'state' : 'states'}.`);
      }),
    );
}
