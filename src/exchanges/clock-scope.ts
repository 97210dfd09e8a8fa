/**
 * Whose clock judges a connector's requests, as a name: the **scope** that everything measured there is kept under.
 *
 * A cache shared by a team learns the exchange's clock from whoever speaks with it. A mock, a staging proxy, a demo or
 * a regional host has another clock; what it says must never move the one that everybody else signs by, and the other
 * way round. So the host is part of a clock's name:
 *
 *   the exchange's own host for the environment       `default`
 *   any other host, also one of the exchange's own    its origin, `https://api-demo.bybit.com`, `http://127.0.0.1:4010`
 *   what the user names (`clockScope`)                that name; for hosts that the user knows to share one clock
 *
 * An origin holds `://`, which a name may not, and `default` is no name that may be given: the three never meet.
 *
 * Two spellings of one host are one scope: case, the scheme's own port, a dot at the end of the name, an IDN and its
 * ASCII form, the forms of an IP address. The scheme counts: whoever answers plain HTTP for an exchange is not the
 * exchange. So does a path, except on the exchange's own host: a gateway may send `/bybit` and `/bybit-demo` to
 * two machines. It is told apart by a digest, because a gateway may also carry its token there.
 *
 * Well-known production hosts of one exchange (`api.bybit.com`, `api.bytick.com`) do not share a clock by themselves:
 * each costs one first contact, and a shared one would cost everybody when the hosts part. See decision 24.
 */
import { createHash } from 'node:crypto';
import { InvalidInputError } from '../base/errors.js';
import { shown } from '../base/shown.js';
import { DEFAULT_SCOPE, type Environment, type Exchange, MAX_SCOPE_LENGTH } from '../events/connector.js';
import { parseBaseUrl } from './base-url.js';
import { hostOf, profileOf } from './registry.js';

export interface ScopeQuestion {
  readonly exchange: Exchange;
  readonly environment: Environment;
  /** `undefined`: the exchange's own host for the environment. */
  readonly baseUrl?: string | undefined;
  /** In place of `baseUrl`: one of the regions of the exchange's profile. */
  readonly region?: string | undefined;
  /** 1 to 64 letters, digits, `.`, `_` and `-`, the first a letter or digit; not `default`. */
  readonly clockScope?: string | undefined;
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
/** Twelve hexadecimal digits: paths of one gateway are a handful. */
const PATH_DIGEST_LENGTH = 12;

/**
 * The name of the clock that judges requests to this host.
 *
 * @returns visible ASCII, at most 300 characters
 * @throws InvalidInputError for a malformed `baseUrl` or `clockScope`
 * @example
 * clockScopeOf({ exchange: 'BYBIT', environment: 'MAINNET', baseUrl: 'https://API.bybit.com.:443/' }); // 'default'
 * clockScopeOf({ exchange: 'BYBIT', environment: 'MAINNET', baseUrl: 'https://api.bytick.com' }); // 'https://api.bytick.com'
 */
export function clockScopeOf(question: ScopeQuestion): string {
  const { exchange, environment, baseUrl, region, clockScope } = question;
  const profile = profileOf(exchange);
  const own = profile.hosts[environment];
  const url = new URL(parseBaseUrl(baseUrl ?? hostOf(profile, environment, region)));
  if (clockScope !== undefined) return parseName(clockScope);
  const origin = originOf(url);
  if (own !== undefined && origin === originOf(new URL(own))) return DEFAULT_SCOPE;
  const path = url.pathname.replace(/\/+$/, '');
  const scope = path === '' ? origin : `${origin}/~${digest(path)}`;
  if (scope.length <= MAX_SCOPE_LENGTH) return scope;
  throw new InvalidInputError(
    `baseUrl's host is too long to name its clock after (${origin.length} characters): pass a clockScope`,
  );
}

/** The URL parser has brought case, default ports, IDN and addresses to one form; a dot at the end it leaves. */
function originOf({ protocol, hostname, port }: URL): string {
  const host = hostname.replace(/\.+$/, '');
  return `${protocol}//${host}${port === '' ? '' : `:${port}`}`;
}

const digest = (path: string): string =>
  createHash('sha256').update(path).digest('hex').slice(0, PATH_DIGEST_LENGTH);

function parseName(value: unknown): string {
  if (typeof value === 'string' && NAME.test(value) && value.toLowerCase() !== DEFAULT_SCOPE) return value;
  throw new InvalidInputError(
    `clockScope must be 1 to 64 letters, digits, ".", "_" or "-", begin with a letter or digit and not be "${DEFAULT_SCOPE}", which is the exchange's own host, got ${shown(value)}`,
  );
}
