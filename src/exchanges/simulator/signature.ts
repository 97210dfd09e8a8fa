import { createHmac, timingSafeEqual } from 'node:crypto';

/** True when `signature` is the lowercase hex HMAC-SHA256 of `message`; compared in constant time. */
export function isSignatureOf(message: string, secret: string, signature: string): boolean {
  const expected = Buffer.from(createHmac('sha256', secret).update(message).digest('hex'));
  const given = Buffer.from(signature);
  return given.length === expected.length && timingSafeEqual(given, expected);
}
