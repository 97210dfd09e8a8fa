/**
 * A key of the API: `cs_<prefix>_<secret>`.
 *
 * The prefix (58 random bits) names it, in lists, logs and the table. The secret has 256 random bits and is shown once; what
 * is kept of it is a SHA-256. A slow hash protects what people think up, which this is not, and would cost each request
 * what it costs an attacker.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

export interface ApiKey {
  readonly prefix: string;
  readonly secret: string;
}

const PREFIX_LENGTH = 12;
const SECRET_BYTES = 32;
// Without vowels no prefix spells a word, and 0/o, 1/l are not taken for each other.
const LETTERS = '23456789bcdfghjkmnpqrstvwxyz';
const FORM = /^cs_([2-9b-z]{12})_([A-Za-z0-9_-]{43})$/;

export function newApiKey(): ApiKey {
  let prefix = '';
  while (prefix.length < PREFIX_LENGTH) {
    // Bytes beyond the largest multiple would make some letters likelier.
    for (const byte of randomBytes(PREFIX_LENGTH)) {
      if (byte < 252 && prefix.length < PREFIX_LENGTH) prefix += LETTERS[byte % LETTERS.length];
    }
  }
  return { prefix, secret: randomBytes(SECRET_BYTES).toString('base64url') };
}

export const formatApiKey = ({ prefix, secret }: ApiKey): string => `cs_${prefix}_${secret}`;

/** `undefined`: it is no key of ours. */
export function parseApiKey(text: string): ApiKey | undefined {
  const [, prefix, secret] = FORM.exec(text) ?? [];
  return prefix !== undefined && secret !== undefined ? { prefix, secret } : undefined;
}

export const hashOf = (secret: string): Buffer => createHash('sha256').update(secret).digest();

/** Takes as long wherever they differ. */
export const isSecretOf = (secret: string, hash: Buffer): boolean => {
  const given = hashOf(secret);
  return hash.length === given.length && timingSafeEqual(given, hash);
};
