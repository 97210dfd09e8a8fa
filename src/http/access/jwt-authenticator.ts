/**
 * Callers with a JSON Web Token of an issuer that is trusted (RFC 7519; OpenID Connect's are such).
 *
 * The issuer's keys (JWKS) come from a URL, fetched and refreshed by `jose`, or from a file. Issuer and audience must be
 * named: without them a token that was made for another service would be good here. Only signatures by key pairs are taken:
 * whoever can verify a token by a shared secret can also make one.
 *
 *   roles    the claim `roles` (a list, or words), or words `connector-state:<role>` in `scope`
 *   user     the claim `connector_state_user`: the only user that exists for the bearer
 */
import { readFileSync } from 'node:fs';
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  errors,
  type JWTPayload,
  type JWTVerifyGetKey,
  jwtVerify,
} from 'jose';
import { InvalidInputError } from '../../base/errors.js';
import { isInQuotes } from '../../base/quotes.js';
import { parseUrl } from '../../base/url.js';
import { HttpProblem } from '../problem.js';
import { type Principal, ROLES, type Role } from './access.js';

export interface JwtSettings {
  /** `https://…/.well-known/jwks.json`, or a file. */
  readonly jwks: string;
  readonly issuer: string;
  readonly audience: string;
}

const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];
const CLOCK_TOLERANCE_SECONDS = 30;
const SCOPE_PREFIX = 'connector-state:';

export class JwtAuthenticator {
  readonly #settings: JwtSettings;
  readonly #keys: JWTVerifyGetKey;

  /** @throws InvalidInputError for a file that is no JWKS */
  constructor(settings: JwtSettings) {
    this.#settings = settings;
    this.#keys = keysOf(settings.jwks);
  }

  /** @throws HttpProblem 503 when the issuer's keys cannot be had */
  async authenticate(token: string): Promise<Principal | undefined> {
    try {
      return principalOf(await this.#verified(token));
    } catch (error) {
      // An expired token, a wrong signature, an unknown key: all that is told is that it is none of ours.
      if (error instanceof errors.JOSEError && !isUnreachable(error)) return undefined;
      throw new HttpProblem(503, 'OVERLOADED', "the token issuer's keys cannot be fetched now", {
        retryAfterSeconds: 5,
      });
    }
  }

  /** @throws JOSEError */
  async #verified(token: string): Promise<JWTPayload> {
    const { issuer, audience } = this.#settings;
    const options = {
      issuer,
      audience,
      algorithms: ALGORITHMS,
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
      requiredClaims: ['sub', 'exp'],
    };
    try {
      return (await jwtVerify(token, this.#keys, options)).payload;
    } catch (error) {
      // A token may leave out which key it was signed with, and an issuer that changes its keys has several.
      if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
      for await (const key of error) {
        try {
          return (await jwtVerify(token, key, options)).payload;
        } catch (refusal) {
          if (!(refusal instanceof errors.JWSSignatureVerificationFailed)) throw refusal;
        }
      }
      throw error;
    }
  }
}

/** Neither in time, nor as a set of keys: a page that says "maintenance" speaks of no token. */
const isUnreachable = (error: errors.JOSEError) =>
  error instanceof errors.JWKSTimeout ||
  error instanceof errors.JWKSInvalid ||
  error.code === 'ERR_JOSE_GENERIC';

/** A URL may hold a password, and is not repeated. */
function keysOf(jwks: string): JWTVerifyGetKey {
  const refuse = (what: string): never => {
    throw new InvalidInputError(`AUTH_JWKS must be https://… or a file, got ${what}`);
  };
  if (jwks.trim() === '') refuse('nothing');
  if (isInQuotes(jwks)) refuse('one in quotes: remove them');
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(jwks)?.[1];
  if (scheme !== undefined) {
    if (!/^https?$/i.test(scheme)) refuse(`one that starts with ${scheme}:`);
    const url = parseUrl(jwks) ?? refuse('something that is not a URL');
    if (url.username !== '' || url.password !== '')
      refuse('a URL with a user, which is never sent: leave it out');
    return createRemoteJWKSet(url, { timeoutDuration: 5_000, cooldownDuration: 30_000 });
  }
  try {
    return createLocalJWKSet(JSON.parse(readFileSync(jwks, 'utf8')));
  } catch (error) {
    throw new InvalidInputError(`AUTH_JWKS names ${jwks}, which is no JWKS: ${(error as Error).message}`);
  }
}

/** Without a subject nobody is there to be told apart; a user that is no text binds to nobody, and is refused. */
function principalOf({ sub, roles, scope, connector_state_user: user }: JWTPayload): Principal | undefined {
  if (sub === undefined || sub === '') return undefined;
  if (user !== undefined && (typeof user !== 'string' || user === '')) return undefined;
  const words = [...wordsIn(roles), ...wordsIn(scope).flatMap(word => withoutPrefix(word))];
  const known = words.filter((word): word is Role => ROLES.includes(word as Role));
  return { id: `jwt:${sub}`, roles: new Set(known), userId: user };
}

const wordsIn = (claim: unknown): string[] => {
  if (typeof claim === 'string') return claim.split(' ');
  return Array.isArray(claim) ? claim.filter(each => typeof each === 'string') : [];
};
const withoutPrefix = (word: string) =>
  word.startsWith(SCOPE_PREFIX) ? [word.slice(SCOPE_PREFIX.length)] : [];
