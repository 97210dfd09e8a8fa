/** HMAC-SHA-256 by Web Crypto. The key is imported once a secret and isolate: it is the slower half. */

const keys = new Map<string, Awaited<ReturnType<typeof crypto.subtle.importKey>>>();
/** An isolate serves many users; their secrets are not kept for longer than they are of use. */
const MAX_KEYS = 100;

/** @returns hexadecimal */
export async function hmacSha256(secret: string, message: string): Promise<string> {
  const text = new TextEncoder();
  let key = keys.get(secret);
  if (!key) {
    key = await crypto.subtle.importKey(
      'raw',
      text.encode(secret),
      { name: 'HMAC', hash: 'SHA-256' },
      false,
      ['sign'],
    );
    if (keys.size >= MAX_KEYS) keys.clear();
    keys.set(secret, key);
  }
  const bytes = new Uint8Array(await crypto.subtle.sign('HMAC', key, text.encode(message)));
  return Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('');
}
