/** Tokens of an issuer: who it is not made by, not made for, or not made now, is nobody. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT, UnsecuredJWT } from 'jose';
import { JwtAuthenticator } from '../../src/http/access/jwt-authenticator.js';
import { closing } from '../support/world.js';

const ISSUER = 'https://issuer.example';
const AUDIENCE = 'connector-state';
let keys: Awaited<ReturnType<typeof generateKeyPair>>;
let jwks: string;
beforeAll(async () => {
  keys = await generateKeyPair('ES256');
  jwks = JSON.stringify({
    keys: [{ ...(await exportJWK(keys.publicKey)), kid: 'k1', alg: 'ES256', use: 'sig' }],
  });
});

function fileOf(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'jwks-'));
  closing({ close: () => rmSync(folder, { recursive: true }) });
  writeFileSync(join(folder, 'jwks.json'), text);
  return join(folder, 'jwks.json');
}

const token = (
  claims: JWTPayload,
  { key = keys.privateKey, issuer = ISSUER, audience = AUDIENCE, end = '5m' } = {},
) =>
  new SignJWT(claims)
    .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
    .setIssuer(issuer)
    .setAudience(audience)
    .setExpirationTime(end)
    .setSubject('svc-1')
    .sign(key);

const byFile = () => new JwtAuthenticator({ jwks: fileOf(jwks), issuer: ISSUER, audience: AUDIENCE });

describe('a token', () => {
  it('of the issuer says what the bearer may, and whose data exists for him', async () => {
    const found = await byFile().authenticate(
      await token({ roles: ['reader', 'root'], connector_state_user: 'alice' }),
    );
    expect(found).toEqual({ id: 'jwt:svc-1', roles: new Set(['reader']), userId: 'alice' });
    const scoped = await byFile().authenticate(
      await token({ scope: 'openid reader connector-state:analyst' }),
    );
    expect(scoped?.roles).toEqual(new Set(['analyst']));
  });

  it('that is not the issuer’s, not for us, over, or bound to nobody is nobody’s', async () => {
    const other = await generateKeyPair('ES256');
    const authenticator = byFile();
    const bad = [
      await token({ roles: ['operator'] }, { key: other.privateKey }),
      await token({ roles: ['operator'] }, { issuer: 'https://other.example' }),
      await token({ roles: ['operator'] }, { audience: 'another-service' }),
      await token({ roles: ['operator'] }, { end: '-5m' }),
      await token({ roles: ['operator'], connector_state_user: '' }),
      await token({ roles: ['operator'], connector_state_user: 7 }),
      new UnsecuredJWT({ roles: ['operator'] })
        .setIssuer(ISSUER)
        .setAudience(AUDIENCE)
        .setSubject('x')
        .encode(),
      // The public key as a shared secret: what anybody could sign.
      await new SignJWT({ roles: ['operator'] })
        .setProtectedHeader({ alg: 'HS256', kid: 'k1' })
        .setIssuer(ISSUER)
        .setAudience(AUDIENCE)
        .setExpirationTime('5m')
        .setSubject('x')
        .sign(new TextEncoder().encode(jwks)),
      'a.b.c',
      '',
    ];
    for (const each of bad) expect(await authenticator.authenticate(each)).toBeUndefined();
  });

  it('that does not say which key it was signed with is held against each of the issuer’s', async () => {
    const [newer, other] = [await generateKeyPair('ES256'), await generateKeyPair('ES256')];
    const both = [newer, keys].map(async ({ publicKey }, i) => ({
      ...(await exportJWK(publicKey)),
      kid: `k${i}`,
      alg: 'ES256',
    }));
    const file = fileOf(JSON.stringify({ keys: await Promise.all(both) }));
    const authenticator = new JwtAuthenticator({ jwks: file, issuer: ISSUER, audience: AUDIENCE });
    const nameless = (key: typeof keys.privateKey, end = '5m') =>
      new SignJWT({ roles: ['reader'] })
        .setProtectedHeader({ alg: 'ES256' })
        .setIssuer(ISSUER)
        .setAudience(AUDIENCE)
        .setExpirationTime(end)
        .setSubject('svc-1')
        .sign(key);

    for (const { privateKey } of [keys, newer]) {
      expect(await authenticator.authenticate(await nameless(privateKey))).toMatchObject({ id: 'jwt:svc-1' });
    }
    expect(await authenticator.authenticate(await nameless(other.privateKey))).toBeUndefined();
    expect(await authenticator.authenticate(await nameless(keys.privateKey, '-5m'))).toBeUndefined();
  });

  it('is verified by keys from a URL; while they cannot be had, nobody is refused for good', async () => {
    let [status, body] = [200, jwks];
    const issuer = createServer((_, response) => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(body);
    });
    await new Promise<void>(resolve => issuer.listen(0, '127.0.0.1', resolve));
    closing(issuer);
    const url = `http://127.0.0.1:${(issuer.address() as AddressInfo).port}/jwks.json`;
    const settings = { jwks: url, issuer: ISSUER, audience: AUDIENCE };
    expect(
      await new JwtAuthenticator(settings).authenticate(await token({ roles: ['reader'] })),
    ).toBeDefined();
    for (const answer of [
      [500, ''],
      [200, '<html>maintenance</html>'],
      [200, '{"message":"maintenance"}'],
    ] as const) {
      [status, body] = answer;
      await expect(new JwtAuthenticator(settings).authenticate(await token({}))).rejects.toMatchObject({
        status: 503,
      });
    }
  });

  it('needs keys that can be read', () => {
    const of = (jwks: string) => () => new JwtAuthenticator({ jwks, issuer: ISSUER, audience: AUDIENCE });
    expect(of('/no/such/file')).toThrow('AUTH_JWKS names /no/such/file');
    expect(of(fileOf('{}'))).toThrow('no JWKS');
  });

  it.each([
    [' ', 'got nothing'],
    ['"https://u:s3cret@x/jwks"', 'in quotes'],
    ['ftp://u:s3cret@x/jwks', 'starts with ftp:'],
    ['https://', 'not a URL'],
    ['https://u:s3cret@x/jwks', 'a URL with a user'],
  ])('says what is wrong with their place, and repeats no password: %s', (jwks, why) => {
    const make = () => new JwtAuthenticator({ jwks, issuer: ISSUER, audience: AUDIENCE });
    expect(make).toThrow(why);
    expect(make).not.toThrow('s3cret');
  });
});
