/**
 * `{retCode, retMsg, result, retExtInfo, time}` around every answer, refusals included, so that every answer is a
 * sample of Bybit's clock (the one on the clock itself tells it better).
 */
import type { EnvelopeFormat } from '../envelope.js';
import { classifyBybit } from './error-classes.js';

export const BYBIT_ENVELOPE: EnvelopeFormat = {
  name: 'Bybit V5',
  code: 'retCode',
  message: 'retMsg',
  content: 'result',
  stamp: 'time',
  classify: classifyBybit,
};
