import { describe, expect, it } from '@jest/globals';
import { toStoreError } from '../../src/event-store/postgres/failure.js';
import { reasonOf, toDatabaseError } from '../../src/postgres/database-error.js';
import { QueryFailure } from '../../src/projector/session.js';

describe('what an error of the database means', () => {
  it.each(['EPIPE', 'ECONNRESET', 'EPERM'])(
    'a connection that was cut (%s) is no answer of a server',
    code => {
      const error = Object.assign(new Error('write'), { code });

      expect(reasonOf(error)).toBe('unreachable');
      expect(new QueryFailure(error)).toMatchObject({ isTransient: true, sqlState: undefined });
    },
  );

  it.each([
    ['40P01', 'busy'],
    ['XX000', 'unreachable'],
    ['42P01', 'not-migrated'],
    ['55000', 'refused'],
    ['25P03', 'interrupted'],
    ['25P04', 'interrupted'],
    ['57P05', 'interrupted'],
  ])('%s is %s', (code, reason) => {
    expect(reasonOf(Object.assign(new Error('x'), { code }))).toBe(reason);
  });

  it.each([
    [{ code: '28P01' }, /28P01.*check the user and the password in the URL$/],
    [{ code: '3D000' }, /create the database, or correct its name in the URL$/],
    [
      { code: '25P03' },
      /25P03.*ask again if this process stood still; else raise idle_in_transaction_session_timeout of this role or database, or set it to 0$/,
    ],
    [{ code: '25P04' }, /raise transaction_timeout/],
    [{ code: '57P05' }, /raise idle_session_timeout/],
    [{ code: '53100' }, /no disk space left/],
    [{ code: '53400' }, /raise the limit that the server names/],
    [{ code: '57P03' }, /starting or stopping: try again/],
    [{ code: 'XX002' }, /REINDEX/],
    [
      { code: '55000', hint: 'Set REPLICA IDENTITY\n using ALTER TABLE.' },
      /: Set REPLICA IDENTITY using ALTER TABLE$/,
    ],
    [{ code: 'P0001', hint: '' }, /: the database refused$/],
    [{ code: '53300' }, /lower POOL_SIZE, or raise max_connections/],
    [{ code: 'ENOENT', syscall: 'open', path: '/ca' }, /\(ENOENT for the file \/ca\): correct sslrootcert, /],
    [{ code: 'SELF_SIGNED_CERT_IN_CHAIN' }, /does not verify \(SELF_.*: give the file .* as sslrootcert/],
    [{ code: 'ENOTFOUND' }, /cannot be found \(no such host\): correct the host in DATABASE_URL/],
  ])('%j says what to correct', (fields, words) => {
    expect(toDatabaseError(Object.assign(new Error('x'), fields)).message).toMatch(words);
  });
});

it.each([
  ['25P03', /raise idle_in_transaction_session_timeout/],
  ['25P04', /raise transaction_timeout/],
  ['53100', /make room there; then retry with the same event ids/],
])('a store whose transaction ended with %s may be asked again, and says what to change', (code, words) => {
  const failure = toStoreError(Object.assign(new Error('x'), { code }), 'append events');

  expect(failure).toMatchObject({
    code: 'EVENT_STORE_FAILED',
    transient: true,
    message: expect.stringMatching(words),
  });
});
