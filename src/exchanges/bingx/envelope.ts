/**
 * `{code, msg, data}`. A refusal adds `timestamp`, BingX's clock, and so is a sample; a success carries no clock but
 * its `Date` header, unless the clock is what was asked for.
 */
import type { EnvelopeFormat } from '../envelope.js';
import { classifyBingx } from './error-classes.js';

export const BINGX_ENVELOPE: EnvelopeFormat = {
  name: 'BingX',
  code: 'code',
  message: 'msg',
  content: 'data',
  stamp: 'timestamp',
  classify: classifyBingx,
};
