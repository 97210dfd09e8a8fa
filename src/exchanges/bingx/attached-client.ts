/**
 * A class of bingx-api's client that sends by an executor of ours. The SDK takes one in its constructor, for which it
 * was made; the subclass brings it along, so that the constructor needs no argument.
 */
import type { RequestExecutorInterface } from './sdk.js';

export interface BingxClient {
  getAccountService(): unknown;
  getTradeService(): unknown;
}

/** `BingxApiClient`, or a subclass. */
// biome-ignore lint/suspicious/noExplicitAny: a mixin's base must be declared so.
export type BingxClientClass = new (...args: any[]) => BingxClient;

/** The same class, whose constructor brings the executor. */
export type AttachedBingxClient<C extends BingxClientClass> = (new () => InstanceType<C>) & C;

export function attachedBingxClient<C extends BingxClientClass>(
  Client: C,
  executor: RequestExecutorInterface,
): AttachedBingxClient<C> {
  class Attached extends Client {
    // biome-ignore lint/suspicious/noExplicitAny: a mixin's constructor must be declared so.
    constructor(...args: any[]) {
      super(executor, ...args.slice(1));
    }
  }
  Object.defineProperty(Attached, 'name', { value: Client.name });
  return Attached as unknown as AttachedBingxClient<C>;
}
