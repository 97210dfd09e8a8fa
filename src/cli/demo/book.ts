/** The demo's book: hedged positions in well-known coins, each leg a connector of its own. */
import { COINS, demoAccount } from '../../exchanges/simulator/index.js';

export interface DemoLeg {
  readonly userId: string;
  readonly credentialId: string;
  readonly symbol: string;
  readonly credentials: { readonly apiKey: string; readonly apiSecret: string };
}

export interface DemoPosition {
  readonly id: string;
  readonly bybit: DemoLeg;
  readonly bingx: DemoLeg;
}

/** Ten positions, so twenty connectors: ten Bybit, ten BingX. */
export const DEMO_USER = 'demo';

export const demoBook = (): DemoPosition[] =>
  COINS.map((coin, index) => ({
    id: `${coin}-funding`,
    bybit: {
      userId: DEMO_USER,
      credentialId: `bybit-${index + 1}`,
      symbol: `${coin}USDT`,
      credentials: demoAccount(2 * index + 1),
    },
    bingx: {
      userId: DEMO_USER,
      credentialId: `bingx-${index + 1}`,
      symbol: `${coin}-USDT`,
      credentials: demoAccount(2 * index + 2),
    },
  }));
