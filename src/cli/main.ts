#!/usr/bin/env node
/** The command line: one file a command under commands/, and here only what they have in common. */
import { Command, CommanderError } from 'commander';
import { packageVersion } from '../base/package-version.js';
import { addAdoptLog } from './commands/adopt-log.js';
import { addChaos } from './commands/chaos.js';
import { addCleanup } from './commands/cleanup.js';
import { addCompletion } from './commands/completion.js';
import { addCopy } from './commands/copy.js';
import { addDemo } from './commands/demo.js';
import { addDistrust } from './commands/distrust.js';
import { addDoctor } from './commands/doctor.js';
import { addDrift } from './commands/drift.js';
import { addExplain } from './commands/explain.js';
import { addExport } from './commands/export.js';
import { addForecast } from './commands/forecast.js';
import { addForgetHits } from './commands/forget-hits.js';
import { addHistory } from './commands/history.js';
import { addImport } from './commands/import.js';
import { addInvalidate } from './commands/invalidate.js';
import { addKeys } from './commands/keys.js';
import { addMigrate } from './commands/migrate.js';
import { addProject } from './commands/project.js';
import { addPublishClocks } from './commands/publish-clocks.js';
import { addRebuild } from './commands/rebuild.js';
import { addRelay } from './commands/relay.js';
import { addServe } from './commands/serve.js';
import { addShadowReport } from './commands/shadow-report.js';
import { addShard } from './commands/shard.js';
import { addSimulate } from './commands/simulate.js';
import { addStats } from './commands/stats.js';
import { addTail } from './commands/tail.js';
import { addTenants } from './commands/tenants.js';
import { addWarm } from './commands/warm.js';
import { codeOf, EXIT, exitCodeOf, InterruptedError, ReaderLeftError } from './exit-codes.js';
import { HELP_LAYOUT } from './help.js';
import { readVariablesAsSettings } from './option-variables.js';
import { createOutput } from './output.js';
import { explain } from './session.js';
import { visibleJson, visibleLines } from './visible.js';
import { paragraphs, wrap } from './wrap.js';

const HELP = `
Examples:
  connector-state demo                         the whole story, in a minute
  connector-state history alice bybit-main     every fact about one connector
  connector-state drift --plot                 how the exchanges' clocks moved
  connector-state stats --json | jq .hitRate   how often no sync was needed
  connector-state doctor                       what is not well, and what to do
  DATABASE_URL=postgres://… connector-state migrate
  DATABASE_URL=postgres://… connector-state project
  connector-state serve                        the HTTP API and the dashboard

Settings come from the environment: DATABASE_URL (without it an embedded PostgreSQL runs under .data),
EVENT_STORE_URL, LOG_LEVEL, … ; docs/configuration.md has all of them.

Exit codes: 0 done, 1 failed, 2 wrong usage or settings, 3 database unavailable, 4 nothing found,
130 interrupted.`;

const program = new Command('connector-state')
  .description(
    'Remembers exchange clock offsets, so that a connector signs its first request in one round trip.',
  )
  .version(packageVersion())
  .showHelpAfterError('(connector-state --help shows the usage)')
  .exitOverride()
  .addHelpText('after', HELP);

// Registered in the order a newcomer wants to read them.
for (const add of [
  addDemo,
  addStats,
  addShadowReport,
  addHistory,
  addTail,
  addExplain,
  addDrift,
  addForecast,
  addInvalidate,
  addDistrust,
  addWarm,
  addCleanup,
  addForgetHits,
  addMigrate,
  addServe,
  addKeys,
  addTenants,
  addProject,
  addRebuild,
  addShard,
  addAdoptLog,
  addRelay,
  addCopy,
  addExport,
  addImport,
  addPublishClocks,
  addDoctor,
  addSimulate,
  addChaos,
  addCompletion,
]) {
  add(program);
}
readVariablesAsSettings(program.commands, process.env);
/** Read here, for an error may come before options are. */
const isJson = process.argv.includes('--json');
/** Where it is no terminal, help is as wide as a terminal usually is. */
const HELP_WIDTH = 80;
for (const command of [program, ...program.commands]) {
  command.configureHelp(HELP_LAYOUT).configureOutput({
    writeOut: text => {
      process.stdout.write(wrap(visibleLines(paragraphs(text)), process.stdout.columns ?? HELP_WIDTH));
    },
    writeErr: text => {
      if (!isJson) process.stderr.write(wrap(visibleLines(text), process.stderr.columns));
    },
  });
}
for (const command of program.commands)
  command.exitOverride().option('--json', 'print one JSON object on stdout');

// Who reads only the beginning (`… | head`) has what he wanted. Whose disk is full has not, whatever else went well.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') return;
  createOutput(false).message(
    `connector-state: stdout takes no more (${error.code}): what was printed is not whole`,
  );
  process.on('exit', () => {
    process.exitCode = EXIT.failed;
  });
});

// The terminal was closed: what is still said nobody hears.
process.stderr.on('error', () => undefined);

// Of `help bogus` Commander prints the general help and says nothing of `bogus`; of `bogus` it says that there is no such command.
const [node = '', main = '', first, second] = process.argv;
const isHelpOnNothing =
  first === 'help' && second !== undefined && !program.commands.some(each => each.name() === second);

try {
  await program.parseAsync(isHelpOnNothing && !second.startsWith('-') ? [node, main, second] : process.argv);
} catch (error) {
  const isUsage = error instanceof CommanderError;
  const isHelp = isUsage && (error.exitCode === 0 || error.code === 'commander.help');
  // These were the user's wish.
  const isWished = isHelp || error instanceof InterruptedError || error instanceof ReaderLeftError;
  if (!isWished) {
    const message = isUsage ? error.message.replace(/^error: /, '') : explain(error);
    // For people Commander has printed its own.
    if (isJson) process.stderr.write(`${visibleJson({ error: { code: codeOf(error), message } })}\n`);
    else if (!isUsage) createOutput(false).message(`connector-state: ${message}`);
  }
  process.exitCode = exitCodeOf(error);
}
