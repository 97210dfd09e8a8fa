/**
 * An exchange as data: what must be known of one so that requests to it can be signed by its clock, and its answers
 * read. Nothing in here is code, so that one more exchange is one more object (see registry.ts), and every rule is in one
 * place, with the document it was taken from.
 *
 *   where it is          `hosts`, `regions`, `headers`
 *   what it accepts      `window`: how late and how early a timestamp may be
 *   what it tells        `time`, `answers`: where its clock stands in its answers, and what is a yes
 *   when it pays funding `funding`, and how often it may be asked: `publicLimit`
 *   what it refuses      `refusals`: which codes mean the time, and which mean what else; `unexecuted`, `retryAfter`
 *   what is sent to it   `request`, `ccxt`: where the timestamp stands, and the signed call that verifies an account
 */
import type { Environment, Exchange } from '../events/connector.js';
import type { RefusalReason } from './refusal-reason.js';

/** How a request holds its timestamp. */
export type RequestStampFormat = 'ms' | 'seconds' | 'iso';
/**
 * How a moment is written: a number of milliseconds; digits of milliseconds, microseconds or nanoseconds, as text; seconds,
 * as either; ISO 8601.
 */
export type StampFormat = 'ms' | 'ms-digits' | 'us-digits' | 'ns-digits' | 'seconds' | 'iso';

/** Where an answer tells the exchange's clock. */
export interface StampPlace {
  /** The path in the body, such as `['data', 0, 'ts']`; or the name of a header, in lower case. */
  readonly at: readonly (string | number)[] | { readonly header: string };
  readonly format: StampFormat;
}

/** Which timestamps are accepted: `serverTime − W ≤ timestamp < serverTime + E`. */
export interface WindowRule {
  /** W where a request says nothing, and of a connector without `recvWindowMs`, milliseconds. */
  readonly defaultMs: number;
  /** The largest W that a request may ask for. The same as `defaultMs`: the window is fixed. */
  readonly maxMs: number;
  /** E, milliseconds. */
  readonly earlyLimitMs: number;
  /**
   * How far ahead of the exchange's present a timestamp is signed on purpose, at most, milliseconds; default E. 0 for windows
   * that are wide to both sides: there is nothing to be gained from signing in the future.
   */
  readonly aheadMs?: number;
}

/** What an answer's body is made of. */
export interface AnswerFormat {
  /** Completes "something that is not a … envelope". */
  readonly name: string;
  /** The fields' names. */
  readonly code: string;
  readonly message: string;
  /** The field that holds what was asked for; undefined where that is the body itself. */
  readonly content?: string;
  /** The codes that say yes. Empty: an answer without a code says yes. */
  readonly yes: readonly string[];
  /** The exchange's clock in any answer, refusals included; undefined where there is none. */
  readonly stamp?: StampPlace;
}

/** The first rule that fits decides; what none fits is told by its HTTP status. */
export interface RefusalRule {
  /** The exchange's own codes, as text; undefined: any, or none at all. */
  readonly codes?: readonly string[];
  /** The HTTP status; undefined: any. */
  readonly status?: number;
  /** Only where the message says so. */
  readonly says?: RegExp;
  /** With `false`, only where there is no code of the exchange's; with `true`, where there is one, whichever it is. */
  readonly hasCode?: boolean;
  readonly reason: RefusalReason;
}

/** How a limit's end is told, besides `Retry-After`. */
export interface RetryAfterRule {
  /** A header that holds the moment, epoch milliseconds by the exchange's clock. In lower case. */
  readonly momentHeader?: string;
  /** A header that holds milliseconds to go. In lower case. */
  readonly durationHeader?: string;
  /** The moment in the message, epoch milliseconds, as the first group. */
  readonly says?: RegExp;
}

/** Where a request holds something. */
export interface RequestField {
  readonly in: 'header' | 'query';
  readonly name: string;
}

/** A signed GET that changes nothing, as ccxt names it. */
export interface VerificationCall {
  /** Method and path, for messages. */
  readonly endpoint: string;
  /** ccxt's section: `private`, or `['private', 'spot']`. */
  readonly api: string | readonly string[];
  /** ccxt's path, without the version that it puts before. */
  readonly path: string;
  readonly params?: Readonly<Record<string, string>>;
}

/** Where the next funding of each contract is told, without an account. */
export interface FundingRule {
  /** The GET, with its query; it lists all contracts. */
  readonly path: string;
  /** The path to the list in the body. */
  readonly list: readonly string[];
  /** Of each entry: the fields that hold the contract's name and the moment. */
  readonly symbol: string;
  readonly next: StampPlace;
}

/** So many unsigned requests an address may send in any such span. */
export interface PublicLimit {
  readonly requests: number;
  readonly perMs: number;
}

export interface ExchangeProfile {
  /** 1 to 32 capital letters, digits and `_`, the first a letter. Kept in events and rows. */
  readonly name: Exchange;
  /** The documents that this was taken from. */
  readonly source: string;
  /** The exchange's own host for each environment that it has, without a slash at the end. */
  readonly hosts: Readonly<Partial<Record<Environment, string>>>;
  /** Its other hosts, by the name of the region that they are for. */
  readonly regions?: Readonly<Record<string, Readonly<Partial<Record<Environment, string>>>>>;
  /** Sent with each request of an environment. */
  readonly headers?: Readonly<Partial<Record<Environment, Readonly<Record<string, string>>>>>;
  readonly window: WindowRule;
  /** The unsigned GET that tells the exchange's clock. */
  readonly time: { readonly path: string; readonly stamp: StampPlace };
  readonly answers: AnswerFormat;
  /** Undefined: 00:00, 08:00 and 16:00 UTC are assumed. */
  readonly funding?: FundingRule;
  /** Undefined: 100 in ten seconds are assumed. */
  readonly publicLimit?: PublicLimit;
  readonly refusals: readonly RefusalRule[];
  /** The codes by which the exchange says, of an order too, that it looked at no more than the timestamp. */
  readonly unexecuted: readonly string[];
  readonly retryAfter?: RetryAfterRule;
  readonly request: {
    readonly stamp: RequestField & { readonly format: RequestStampFormat };
    /** Undefined where the window is fixed. */
    readonly window?: RequestField;
  };
  /** Of `connector-state/ccxt`. */
  readonly ccxt: {
    /** ccxt's name for the exchange. */
    readonly id: string;
    /** Which sections are signed; default: those that are called `private`. */
    readonly signs?: RegExp;
    /** The first is used; where the exchange does not offer it, the next. */
    readonly verification: readonly VerificationCall[];
  };
  /** Whether its keys may be private keys (RSA). Default false. */
  readonly takesRsa?: boolean;
}
