/** What is known of the clocks that all connectors share, in words. */
import { DEFAULT_SCOPE } from '../events/connector.js';
import type { ContestSummary, SharedClockSummary } from '../read-model/clock-queries.js';
import { counted, plusMinus, span } from './quantities.js';

/** `BYBIT MAINNET`, and the scope where it is not the exchange's own host. */
export const nameOfClock = ({
  exchange,
  environment,
  scope,
}: Pick<SharedClockSummary, 'exchange' | 'environment' | 'scope'>): string =>
  [exchange, environment, ...(scope === DEFAULT_SCOPE ? [] : [scope])].join(' ');

/** `145.8 ± 7.3 ms, epoch 2, 14 samples` and what is the matter with it, if anything is. */
export function describeSharedClock(clock: SharedClockSummary): string {
  const { offsetMs, uncertaintyMs, epoch, samples, isValid, hasEnded, contested } = clock;
  const matters = [
    ...(isValid ? [] : ['condemned']),
    ...(isValid && hasEnded ? ['past its end'] : []),
    ...(contested ? [describeContest(contested)] : []),
    ...(clock.distrusted.length > 0 ? [describeDistrust(clock)] : []),
  ];
  const known = `${plusMinus(offsetMs, uncertaintyMs)}, epoch ${epoch}, ${counted(samples, 'sample')}`;
  return [known, ...matters].join('; ');
}

/** `not believed: host:node-7, host:node-8 of login batch` */
export const describeDistrust = ({ distrusted }: Pick<SharedClockSummary, 'distrusted'>): string =>
  `not believed: ${distrusted.map(({ host, login }) => (login === undefined ? host : `${host} of login ${login}`)).join(', ')}`;

export function describeContest({ forMs, rivalHost, apartMs }: ContestSummary): string {
  const by = apartMs === null ? 'by a refusal' : `by ${apartMs.toFixed(1)} ms`;
  return `contested for ${span(forMs)}: ${rivalHost} contradicts ${by}`;
}
