/**
 * Credentials, checked before anything is sent.
 *
 * A secret that was copied with a line break, a blank or a half of a key signs wrongly, and the exchange says "bad
 * signature" without a hint why. What is surely an accident is mended: blanks and line breaks around a secret, and the
 * line breaks of a private key, which environment variables make `\n` in two characters, blanks or nothing. What else can
 * be seen to be wrong is said here, such as quotes that an env file left around it. No message repeats a credential.
 */
import { createPrivateKey } from 'node:crypto';
import { InvalidInputError } from '../base/errors.js';
import { isInQuotes } from '../base/quotes.js';
import type { Credentials } from './exchange-adapter.js';
import type { ExchangeProfile } from './exchange-profile.js';

const MAX_SECRET_LENGTH = 8192;

/** @throws InvalidInputError */
export function parseCredentials(credentials: Credentials, profile: ExchangeProfile): Credentials {
  const { apiKey, apiSecret: given, passphrase } = credentials ?? {};
  const apiSecret = typeof given === 'string' ? given.trim() : given;
  for (const [name, value] of Object.entries({ apiKey, apiSecret })) {
    if (typeof value !== 'string' || !isInQuotes(value)) continue;
    throw new InvalidInputError(
      `credentials.${name} stands in quotes, which are no part of it: remove them (docker --env-file keeps those of the file)`,
    );
  }
  // It travels in an HTTP header, which holds visible ASCII only.
  if (typeof apiKey !== 'string' || !/^[\x21-\x7e]{1,256}$/.test(apiKey)) {
    throw new InvalidInputError(
      'credentials.apiKey must be 1 to 256 visible ASCII characters: copy it again from the exchange, without spaces or line breaks',
    );
  }
  if (typeof apiSecret !== 'string' || apiSecret === '' || apiSecret.length > MAX_SECRET_LENGTH) {
    throw new InvalidInputError(
      `credentials.apiSecret must be a string of 1 to ${MAX_SECRET_LENGTH} characters: copy it again from the exchange`,
    );
  }
  if (
    passphrase !== undefined &&
    (typeof passphrase !== 'string' || !/^[^\p{Cc}\p{Surrogate}]{1,256}$/u.test(passphrase))
  ) {
    throw new InvalidInputError(
      'credentials.passphrase must be 1 to 256 characters without line breaks: the one that was chosen when the key was made',
    );
  }
  const rest = { apiKey, ...(passphrase !== undefined && { passphrase }) };
  if (/-----BEGIN/.test(apiSecret)) {
    return { ...rest, apiSecret: parsePrivateKey(apiSecret, profile) };
  }
  if (/[\s\p{C}]/u.test(apiSecret)) {
    throw new InvalidInputError(
      'credentials.apiSecret holds a blank, a line break or an invisible character, which no secret of an exchange does: copy it again, in one piece',
    );
  }
  return { ...rest, apiSecret };
}

const PEM = /^-----BEGIN ([A-Z ]+)-----(.+)-----END \1-----(\\[rn])*$/s;

/** In lines of 64 characters again, whatever became of the line breaks. What has headers (it is encrypted) stays as it is. */
function mendPem(pem: string): string {
  const [, label, inner = ''] = PEM.exec(pem) ?? [];
  const body = inner.replace(/\\[rn]|\s/g, '');
  if (label === undefined || !/^[A-Za-z0-9+/]+=*$/.test(body)) return pem;
  const lines = body.match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
}

function parsePrivateKey(pem: string, { name: exchange, takesRsa = false }: ExchangeProfile): string {
  if (!takesRsa) {
    throw new InvalidInputError(
      `credentials.apiSecret is a private key, and ${exchange} signs with HMAC secrets only: use the key's secret`,
    );
  }
  const mended = mendPem(pem);
  let type: string | undefined;
  try {
    type = createPrivateKey(mended).asymmetricKeyType;
  } catch {
    // OpenSSL's reason speaks of its decoder, not of what to do.
    throw new InvalidInputError(
      'credentials.apiSecret begins like a private key and cannot be read as one: give the whole PEM, with its BEGIN and END lines, unencrypted',
    );
  }
  if (type !== 'rsa') {
    throw new InvalidInputError(
      `credentials.apiSecret is a private key of type ${type}, and ${exchange} takes RSA keys: make an RSA key, or use an HMAC secret`,
    );
  }
  return mended;
}
