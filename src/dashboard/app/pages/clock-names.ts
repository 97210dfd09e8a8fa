import type { ClockPlace } from '../api/types.js';
import { linkTo } from '../state/address.js';

export const nameOfClock = ({ exchange, environment, scope }: ClockPlace): string =>
  `${exchange} ${environment}${scope === 'default' ? '' : ` on ${scope}`}`;

export const clockLink = ({ exchange, environment, scope }: ClockPlace): string =>
  linkTo('/clocks', { exchange, environment, scope });
