import { describe, expect, it } from '@jest/globals';
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
  ])('%s is %s', (code, reason) => {
    expect(reasonOf(Object.assign(new Error('x'), { code }))).toBe(reason);
  });

  it.each([
    [{ code: '28P01' }, /28P01.*check the user and the password in the URL$/],
    [{ code: '3D000' }, /create the database, or correct its name in the URL$/],
    [{ code: '53300' }, /lower POOL_SIZE, or raise max_connections/],
    [{ code: 'ENOENT', syscall: 'open' }, /correct sslrootcert, sslcert or sslkey in the URL$/],
  ])('%j says what to correct', (fields, words) => {
    expect(toDatabaseError(Object.assign(new Error('x'), fields)).message).toMatch(words);
  });
});
