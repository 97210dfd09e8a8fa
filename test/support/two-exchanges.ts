/** The exchanges that have a connector of their own, over their SDK. */
export type SdkExchange = 'BYBIT' | 'BINGX';
