/** `forecast backtest` replays what was under each policy, `train` keeps the model with its score, `show` tells what the read tables let expect. */
import { Argument, type Command } from 'commander';
import type { Pool } from 'pg';
import { silentLogger } from '../../base/logging.js';
import type { Backtest, PolicyResult } from '../../forecast/backtest.js';
import type { Ceiling } from '../../forecast/ceiling.js';
import { type KeptModel, keepModel, keptModel } from '../../forecast/model-store.js';
import type { WorldName } from '../../forecast/worlds.js';
import { createPool } from '../../postgres/pool.js';
import { NotFoundError, WrongSettingError } from '../exit-codes.js';
import { type OptionsOfActions, refuseOptionsOfOthers } from '../options-of-actions.js';
import { table } from '../output.js';
import { span } from '../quantities.js';
import { runSession, type Session } from '../session.js';
import { parseSince, type Since } from '../since.js';
import { reliabilityPlot } from './forecast-reliability.js';
import { type ShowOptions, showForecast } from './forecast-show.js';

interface Options extends ShowOptions {
  readonly json?: boolean;
  readonly since?: Since;
  readonly ttl?: Since;
  readonly world?: string;
  readonly seed?: string;
  readonly shared?: boolean;
  readonly model?: string;
}

type Action = 'backtest' | 'train' | 'show';
const ACTIONS: readonly Action[] = ['backtest', 'train', 'show'];

const OPTIONS: OptionsOfActions<Action> = {
  backtest: ['--since', '--ttl', '--world', '--seed', '--shared', '--model'],
  train: ['--since', '--ttl'],
  show: ['--within', '--user'],
};

const MAX_VERSION = 2 ** 31 - 1;
/** Of the uses, so much only teaches; the rest is what is counted. */
const TEACHING_SHARE = 0.5;
const WORLD_SIZE = { connectors: 20, days: 42 };

export function addForecast(program: Command): void {
  program
    .command('forecast')
    .description('when connectors are used next, and would it pay to refresh states ahead of that?')
    .addArgument(
      new Argument(
        '[action]',
        'backtest: replays what was, policy by policy; train: the same, and keeps the trained model with its score; show: what the tables let expect',
      )
        .choices(ACTIONS)
        .default('backtest'),
    )
    .option('--since <span|time>', 'backtest: uses of this time only: 90d, or a time (ISO 8601)', parseSince)
    .option('--ttl <span>', 'backtest: how long a state is good (default: STATE_TTL_MS)', parseSince)
    .option(
      '--world <name>',
      'backtest: made-up uses instead: periodic, bursty, office, drifting, adversarial, random',
    )
    .option('--seed <n>', 'backtest: of the made-up uses (default: 1)')
    .option('--shared', 'backtest: made-up uses as those of one clock that all connectors share')
    .option('--model <version>', 'backtest: a kept model in place of one trained now')
    .option('--within <span>', 'show: how far ahead to look: 15m, 4h (default: 1h)', parseSince)
    .option('--user <id>', 'show: the connectors of this user (default: the clocks of the exchanges)')
    .addHelpText(
      'after',
      '\nEach policy of a back-test sees only what was before; the first half of the time only teaches. A cold\ninit is taken to cost 1.5 s, a refresh a tenth of it. The best is the winner where it is better than none by\n5 % of the cold inits; the trained model, where it is better than that by 5 % again.\n\nExamples:\n  connector-state forecast --since 60d\n  connector-state forecast backtest --world periodic --json\n  connector-state forecast train --since 90d\n  connector-state forecast show --within 15m',
    )
    .action((action: Action, options: Options, command: Command) =>
      runSession(options.json === true, session => {
        refuseOptionsOfOthers(command, action, OPTIONS);
        return action === 'show' ? showForecast(session, options) : run(session, action, options);
      }),
    );
}

async function run(session: Session, action: Exclude<Action, 'show'>, options: Options): Promise<void> {
  const { backtest } = await import('../../forecast/backtest.js');
  const { ceilingOf } = await import('../../forecast/ceiling.js');
  const { probabilityOf, trainUsageModel } = await import('../../forecast/learned.js');
  const pool = await poolFor(session, action, options);
  const kept = pool && options.model !== undefined ? await modelOf(pool, options.model) : undefined;
  const { uses, ttlMs, connectorsEach } = await usesOf(session, options);
  const times = uses.flatMap(each => [each[0], each.at(-1)]).filter(atMs => atMs !== undefined);
  if (times.length === 0) {
    throw new NotFoundError(
      'no use is recorded in that time, so there is nothing to judge a forecast by: the baseline stands, nothing is refreshed ahead',
    );
  }
  const fromMs = Math.min(...times);
  const untilMs = Math.max(...times);
  const halfMs = fromMs + (untilMs - fromMs) * TEACHING_SHARE;
  const countFromMs = Math.max(halfMs, kept?.model.untilMs ?? halfMs);
  const model = kept?.model ?? (await trainUsageModel(uses, ttlMs, countFromMs));
  const learned = model && probabilityOf(model);
  const result = backtest(uses, { ttlMs, usesRefresh: false, countFromMs, learned });
  const version =
    kept?.version ?? (action === 'train' && pool && model ? await keepModel(pool, model, result) : null);
  const counted = { connectorsEach, ttlMs, fromMs: countFromMs, untilMs };
  const ceiling = options.world && ceilingOf(options.world as WorldName, result, counted);
  session.out.data(
    {
      ttlMs,
      fromMs,
      countFromMs,
      untilMs,
      version,
      model: model ?? null,
      ...result,
      ceiling: ceiling ?? null,
    },
    () =>
      [
        inWords(result, ttlMs, untilMs - countFromMs),
        ...(ceiling ? [ceilingInWords(ceiling)] : []),
        ...(action === 'train' ? [version === null ? TOO_LITTLE : `Kept as version ${version}.`] : []),
      ].join('\n'),
  );
}

const ceilingInWords = ({ shareOfOracle, leastSyncsOfOracle }: Ceiling) =>
  `Knowing how often uses come here, but not when, nobody avoids ${shareOfOracle * 100} % below ${leastSyncsOfOracle.toFixed(2)} × the oracle's syncs.`;

const TOO_LITTLE =
  'Too little to learn from (200 moments at which a state had ended, used and unused): no model is kept, the baseline stands.';

async function poolFor({ open, onEnd }: Session, action: Action, { model }: Options) {
  if (action !== 'train' && model === undefined) return undefined;
  const state = await open();
  // Makes the tables where they are missing.
  await state.store();
  const pool = createPool({ connectionString: state.databaseUrl, max: 1, log: silentLogger });
  onEnd(() => pool.end());
  return pool;
}

async function modelOf(pool: Pool, text: string): Promise<KeptModel> {
  const version = Number(text);
  if (!Number.isInteger(version) || version < 1 || version > MAX_VERSION) {
    throw new WrongSettingError(`--model must be the version of a kept model, from 1, got "${text}"`);
  }
  const found = await keptModel(pool, version);
  if (found) return found;
  throw new NotFoundError(
    `no model of version ${version} is kept that this release can read: see \`forecast train\``,
  );
}

async function usesOf({ open, signal }: Session, { world, seed, since, ttl, shared }: Options) {
  const { makeUses, WORLDS } = await import('../../forecast/worlds.js');
  if (ttl && 'atMs' in ttl) throw new WrongSettingError('--ttl must be a span like 15m or 4h, not a time');
  const given = ttl?.agoMs;
  const { DEFAULT_TTL_MS } = await import('../../clock/ttl.js');
  if (world !== undefined) {
    if (!(WORLDS as readonly string[]).includes(world)) {
      throw new WrongSettingError(`--world must be one of ${WORLDS.join(', ')}, got "${world}"`);
    }
    if (since !== undefined)
      throw new WrongSettingError('--since is of what was recorded: it does not go with --world');
    const number = Number(seed ?? 1);
    if (!Number.isSafeInteger(number))
      throw new WrongSettingError(`--seed must be a whole number, got "${seed}"`);
    const uses = makeUses(world as WorldName, { ...WORLD_SIZE, seed: number });
    return {
      uses: shared ? [uses.flat().sort((a, b) => a - b)] : uses,
      ttlMs: given ?? DEFAULT_TTL_MS,
      connectorsEach: shared ? WORLD_SIZE.connectors : 1,
    };
  }
  if (shared || seed !== undefined) {
    throw new WrongSettingError(`${shared ? '--shared' : '--seed'} goes with --world`);
  }
  const state = await open();
  const { usesFromLog } = await import('../../forecast/uses-from-log.js');
  const sinceMs = since === undefined ? 0 : 'atMs' in since ? since.atMs : Date.now() - since.agoMs;
  const { uses } = await usesFromLog(await state.store(), { sinceMs, signal });
  return { uses, ttlMs: given ?? state.settings.ttlMs, connectorsEach: 1 };
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
  const drawn = calibration.find(({ policy }) => policy === winner) ?? bestOf(calibration);
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
    ...(drawn ? [reliabilityPlot(drawn)] : []),
    winner === 'none'
      ? 'No policy wins by the margin: do not refresh ahead here.'
      : `By what it saves, less what it costs: ${winner}.`,
  ].join('\n');
}

const bestOf = (calibration: Backtest['calibration']) =>
  [...calibration].sort((a, b) => a.brier - b.brier)[0];
