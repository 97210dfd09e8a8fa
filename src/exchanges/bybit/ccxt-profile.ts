import type { CcxtProfile } from '../attached-ccxt.js';
import { BYBIT_ENVELOPE } from './envelope.js';

export const BYBIT_CCXT: CcxtProfile = { id: 'bybit', format: BYBIT_ENVELOPE, refusedUnexecuted: 10002 };
