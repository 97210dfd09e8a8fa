/** `connector-state forecast show`: when the exchanges' clocks, or one user's connectors, are likely to be used next. */
import type { PolicyInUse } from '../../composition/forecasts.js';
import type { Forecast } from '../../forecast/forecast.js';
import { NotFoundError, WrongSettingError } from '../exit-codes.js';
import { table } from '../output.js';
import { iso, span } from '../quantities.js';
import type { Session } from '../session.js';
import type { Since } from '../since.js';

export interface ShowOptions {
  readonly within?: Since;
  readonly user?: string;
}

const HOUR_MS = 3_600_000;
const MOST_CONNECTORS = 1_000;

export async function showForecast({ open, out }: Session, { within, user }: ShowOptions): Promise<void> {
  if (within && 'atMs' in within) {
    throw new WrongSettingError('--within must be a span like 15m or 4h, not a time');
  }
  const withinMs = within?.agoMs ?? HOUR_MS;
  const state = await open();
  const inUse = await state.forecastPolicy();
  if (user === undefined) {
    const clocks = await state.clockForecasts({ withinMs });
    requireSome(clocks, "no use of an exchange's clock is in the read tables yet");
    out.data({ withinMs, ...inUse, clocks }, () =>
      [inWords('clock', clocks, withinMs, ({ scope }) => [scope]), ofPolicy(inUse)].join('\n'),
    );
    return;
  }
  const connectors = await state.connectorForecasts({ userId: user, withinMs, limit: MOST_CONNECTORS });
  requireSome(connectors, `no use of a connector of the user ${user} is in the read tables`);
  out.data({ withinMs, ...inUse, connectors }, () =>
    [
      inWords('connector', connectors, withinMs, ({ scope, credentialId }) => [credentialId, scope]),
      ofPolicy(inUse),
    ].join('\n'),
  );
}

function requireSome(found: readonly unknown[], problem: string): void {
  if (found.length === 0) throw new NotFoundError(`${problem}: see \`connector-state project --once\``);
}

const ofPolicy = ({ policy, modelVersion }: PolicyInUse): string =>
  modelVersion === undefined
    ? 'No model is kept, so the baseline stands: nothing is refreshed ahead. See `connector-state forecast train`.'
    : `The back-test of model ${modelVersion} was won by ${policy}${policy === 'none' ? ': nothing is worth refreshing ahead' : ''}.`;

type Shown = Forecast & { readonly exchange: string; readonly environment: string };

function inWords<T extends Shown>(
  what: string,
  shown: readonly T[],
  withinMs: number,
  more: (of: T) => readonly string[],
): string {
  const rows = shown.map(each => [
    [each.exchange, each.environment, ...more(each)].filter(part => part !== 'default').join(' '),
    String(each.uses),
    iso(each.lastUseMs),
    `${(each.probability * 100).toFixed(1)} %`,
    each.likelyAtMs === null ? 'nobody knows' : iso(each.likelyAtMs),
    each.basis,
  ]);
  return [
    table([what, 'uses', 'last', `within ${span(withinMs)}`, 'half by', 'by'], rows, [
      'left',
      'right',
      'left',
      'right',
      'left',
      'left',
    ]),
    '',
    ...(shown.some(({ basis }) => basis === 'baseline')
      ? ['baseline: too little is known, so uses are taken to come at random, as often as so far.']
      : []),
  ].join('\n');
}
