import { rehearseVerification } from '../rehearsal.js';
import { createBingxAdapter } from './adapter.js';

/**
 * The first signed call of a process, without its sending anything. The id is as long as BingX's are, so that the
 * parser that keeps such digits has run too.
 * @throws ExchangeError
 */
export const rehearseBingx = (): Promise<void> =>
  rehearseVerification(createBingxAdapter, {
    code: 0,
    msg: '',
    data: { balance: { userId: '1234567890123456789' } },
  });
