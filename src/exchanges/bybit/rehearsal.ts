import { rehearseVerification } from '../rehearsal.js';
import { createBybitAdapter } from './adapter.js';

/** The first signed call of a process, without its sending anything. @throws ExchangeError */
export const rehearseBybit = (): Promise<void> =>
  rehearseVerification(createBybitAdapter, {
    retCode: 0,
    retMsg: '',
    result: {},
    retExtInfo: {},
    time: Date.now(),
  });
