/**
 * `shadow-report`: what shadow mode found, as figures and as a sentence to decide by. The sums are made in
 * read-model/shadow-queries.ts; here is only how they are said.
 */
import type { Command } from 'commander';
import { createLogger } from '../../base/logging.js';
import { parseExchange } from '../../events/connector.js';
import { createPool, toDatabaseError } from '../../postgres/pool.js';
import {
  readShadowOutcomes,
  type ShadowOutcomes,
  type ShadowQuery,
} from '../../read-model/shadow-queries.js';
import { NotFoundError } from '../exit-codes.js';
import { iso } from '../quantities.js';
import { runSession, type Session } from '../session.js';
import { parseSince, type Since } from '../since.js';
import { reportOf, showReport } from './shadow-report-text.js';

interface Options {
  readonly json?: boolean;
  readonly since?: Since;
  readonly exchange?: string;
}

export function addShadowReport(program: Command): void {
  program
    .command('shadow-report')
    .description('what the cache would have done in shadow mode, and how far off it would have been')
    .option('--since <time>', 'a span (90m, 24h, 7d) or a time (ISO 8601); 7d when left out', parseSince)
    .option('--exchange <name>', 'BYBIT or BINGX; default: all')
    .addHelpText(
      'after',
      `
Every init of a process with CACHE_MODE=shadow is counted. Spans begin at a full hour. Percentiles are upper ends of
buckets, at most 28 % too high and never too low; the maximum is exact. Exit 4: nothing was recorded.

Examples:
  connector-state shadow-report --since 24h
  connector-state shadow-report --exchange BYBIT --json | jq .total.refused`,
    )
    .action((options: Options) =>
      runSession(options.json === true, async session => {
        const { since = parseSince('7d'), exchange } = options;
        const query = { since, ...(exchange !== undefined && { exchange: parseExchange(exchange) }) };
        const found = await read(session, query);
        if (found.outcomes.length === 0) {
          throw new NotFoundError(
            `no init was recorded in shadow mode since ${iso(found.fromMs)}: set CACHE_MODE=shadow where connectors run, and see that their facts are flushed and projected`,
          );
        }
        const report = reportOf(found);
        session.out.data(report, () => showReport(report));
      }),
    );
}

async function read(session: Session, query: ShadowQuery): Promise<ShadowOutcomes> {
  const { url } = await session.openDatabase();
  const log = await createLogger('silent', 'json');
  const pool = createPool({ connectionString: url, max: 1, log });
  session.onEnd(() => pool.end());
  try {
    return await readShadowOutcomes(pool, query);
  } catch (error) {
    throw toDatabaseError(error);
  }
}
