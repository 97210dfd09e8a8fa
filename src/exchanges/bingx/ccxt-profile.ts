import type { CcxtProfile } from '../attached-ccxt.js';
import { BINGX_ENVELOPE } from './envelope.js';

export const BINGX_CCXT: CcxtProfile = { id: 'bingx', format: BINGX_ENVELOPE, refusedUnexecuted: 100421 };
