import type { Command } from 'commander';
import type { Backtest, PolicyResult } from '../../forecast/backtest.js';
import type { WorldName } from '../../forecast/worlds.js';
import { NotFoundError, WrongSettingError } from '../exit-codes.js';
import { table } from '../output.js';
import { span } from '../quantities.js';
import { runSession, type Session } from '../session.js';
import { parseSince, type Since } from '../since.js';

interface Options {
  readonly json?: boolean;
  readonly since?: Since;
  readonly ttl?: Since;
  readonly world?: string;
  readonly seed?: string;
}

/** Of the uses, so much only teaches; the rest is what is counted. */
const TEACHING_SHARE = 0.5;
const WORLD_SIZE = { connectors: 20, days: 42 };

export function addForecast(program: Command): void {
  program
    .command('forecast')
    .description('would it pay to refresh states ahead of their use? Replays what was, policy by policy')
    .option('--since <span|time>', 'uses of this time only: 90d, or a time (ISO 8601)', parseSince)
    .option('--ttl <span>', 'how long a state is good (default: STATE_TTL_MS)', parseSince)
    .option('--world <name>', 'made-up uses instead: periodic, bursty, office, drifting, adversarial, random')
    .option('--seed <n>', 'of the made-up uses (default: 1)')
    .addHelpText(
      'after',
      '\nEach policy sees only what was before; the first half of the time only teaches. A cold init is\ntaken to cost 1.5 s, a refresh a tenth of it. The winner must be better by 5 %, else it is none.\n\nExamples:\n  connector-state forecast --since 60d\n  connector-state forecast --world periodic --json',
    )
    .action((options: Options) => runSession(options.json === true, session => run(session, options)));
}

async function run(session: Session, options: Options): Promise<void> {
  const { backtest } = await import('../../forecast/backtest.js');
  const { probabilityOf, trainUsageModel } = await import('../../forecast/learned.js');
  const { uses, ttlMs } = await usesOf(session, options);
  const times = uses.flatMap(each => [each[0], each.at(-1)]).filter(atMs => atMs !== undefined);
  if (times.length === 0) {
    throw new NotFoundError('no use is recorded in that time, so there is nothing to judge a forecast by');
  }
  const fromMs = Math.min(...times);
  const untilMs = Math.max(...times);
  const countFromMs = fromMs + (untilMs - fromMs) * TEACHING_SHARE;
  const model = await trainUsageModel(uses, ttlMs, countFromMs);
  const learned = model && probabilityOf(model);
  const result = backtest(uses, { ttlMs, usesRefresh: false, countFromMs, learned });
  session.out.data({ ttlMs, fromMs, countFromMs, untilMs, model: model ?? null, ...result }, () =>
    inWords(result, ttlMs, untilMs - countFromMs),
  );
}

async function usesOf({ open, signal }: Session, { world, seed = '1', since, ttl }: Options) {
  const { makeUses, WORLDS } = await import('../../forecast/worlds.js');
  if (ttl && 'atMs' in ttl) throw new WrongSettingError('--ttl must be a span like 15m or 4h, not a time');
  const given = ttl?.agoMs;
  const { DEFAULT_TTL_MS } = await import('../../clock/ttl.js');
  if (world !== undefined) {
    if (!(WORLDS as readonly string[]).includes(world)) {
      throw new WrongSettingError(`--world must be one of ${WORLDS.join(', ')}, got "${world}"`);
    }
    const number = Number(seed);
    if (!Number.isSafeInteger(number))
      throw new WrongSettingError(`--seed must be a whole number, got "${seed}"`);
    return {
      uses: makeUses(world as WorldName, { ...WORLD_SIZE, seed: number }),
      ttlMs: given ?? DEFAULT_TTL_MS,
    };
  }
  const state = await open();
  const { usesFromLog } = await import('../../forecast/uses-from-log.js');
  const sinceMs = since === undefined ? 0 : 'atMs' in since ? since.atMs : Date.now() - since.agoMs;
  const { uses } = await usesFromLog(await state.store(), { sinceMs, signal });
  return { uses, ttlMs: given ?? state.settings.ttlMs };
}

function inWords(
  { connectors, results, calibration, winner }: Backtest,
  ttlMs: number,
  countedMs: number,
): string {
  const row = (result: PolicyResult) => [
    result.policy,
    String(result.cold),
    String(result.avoided),
    String(result.refreshes),
    `${result.syncsOfOracle.toFixed(2)} ×`,
    span(result.savedMs),
  ];
  return [
    `${connectors} connectors, ${results[0]?.uses ?? 0} uses in ${span(countedMs)}, a state good for ${span(ttlMs)}.`,
    table(['policy', 'cold inits', 'avoided', 'refreshes', "oracle's syncs", 'saved'], results.map(row), [
      'left',
      'right',
      'right',
      'right',
      'right',
      'right',
    ]),
    ...calibration.map(
      ({ policy, brier, baseline }) =>
        `${policy}: Brier score ${brier.toFixed(3)}; always saying the mean would be ${baseline.toFixed(3)}.`,
    ),
    winner === 'none'
      ? 'No policy wins by the margin: do not refresh ahead here.'
      : `By what it saves, less what it costs: ${winner}.`,
  ].join('\n');
}
