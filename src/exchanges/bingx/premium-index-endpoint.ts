/** The funding rate's endpoint, which bingx-api lacks. With a symbol, `data` is one object. */
import { ANONYMOUS } from './executor.js';
import { DefaultSignatureParameters, Endpoint, type EndpointInterface } from './sdk.js';

export interface PremiumIndex {
  readonly symbol: string;
  /** Decimal digits: a fraction of the position. */
  readonly lastFundingRate: string;
  readonly nextFundingTime: number;
}

export interface PremiumIndexResponse {
  readonly code: number;
  readonly msg: string;
  readonly data: PremiumIndex;
}

export class PremiumIndexEndpoint extends Endpoint implements EndpointInterface<PremiumIndexResponse> {
  declare readonly t: PremiumIndexResponse;
  readonly #symbol: string;

  constructor(symbol: string) {
    super(ANONYMOUS);
    this.#symbol = symbol;
  }

  method() {
    return 'get' as const;
  }

  path() {
    return '/openApi/swap/v2/quote/premiumIndex';
  }

  parameters() {
    return new DefaultSignatureParameters({ symbol: this.#symbol });
  }
}
