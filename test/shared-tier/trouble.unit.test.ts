/** Which cause is read out of what clients and servers say, and that each is told once. */
import { describe, expect, it } from '@jest/globals';
import { problemOf, Troubles, troubleOf } from '../../src/shared-tier/trouble.js';

// As they were said by Redis 7.0 and the client; what a server says to a script is behind the script's own words.
const SAID: readonly (readonly [string, string])[] = [
  ['connect ECONNREFUSED 127.0.0.1:6379', 'offline'],
  ['getaddrinfo ENOTFOUND redis', 'offline'],
  ['Connection timeout', 'offline'],
  ['Socket closed unexpectedly', 'offline'],
  ['All the root nodes are unavailable', 'offline'],
  ['The client is offline', 'offline'],
  ['no answer from Redis within 25 ms', 'slow'],
  ['a Sentinel does not answer', 'slow'],
  ['Breaker is open', 'breaker'],
  ['NOAUTH Authentication required.', 'login'],
  ['WRONGPASS invalid username-password pair or user is disabled.', 'login'],
  [
    'ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?',
    'login',
  ],
  ["NOPERM this user has no permissions to run the 'evalsha' command", 'right'],
  [
    "ERR user_script:8: ERR The user executing the script can't run this command or subcommand script: 5bc9, on @user_script:8.",
    'right',
  ],
  ["ERR The user executing the script can't publish to the channel mentioned in the command", 'right'],
  ["READONLY You can't write against a read only replica. script: e714, on @user_script:8.", 'read-only'],
  ["MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", 'read-only'],
  ['LOADING Redis is loading the dataset in memory', 'loading'],
  ['BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.', 'busy'],
  ["OOM command not allowed when used memory > 'maxmemory'.", 'full'],
  [
    "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
    'not-saved',
  ],
  ['NOREPLICAS Not enough good replicas to write.', 'no-replicas'],
  ['ERR max number of clients reached', 'clients'],
  ['ERR DB index is out of range', 'database'],
  ['MOVED 3999 127.0.0.1:6381', 'cluster'],
  ["CROSSSLOT Keys in request don't hash to the same slot", 'cluster'],
  ['ERR This instance has cluster support disabled', 'no-cluster'],
  ['CLUSTERDOWN Hash slot not served', 'cluster-down'],
  ["ERR unknown command 'SENTINEL'", 'sentinel'],
  ["ERR unknown command 'EVALSHA'", 'commands'],
  ['ERR Unknown Redis command called from script script: cbc6, on @user_script:3.', 'commands'],
  ['self-signed certificate', 'tls'],
  ['Unknown RESP type 72 "H"', 'not-redis'],
  ['ERR something new', 'refused'],
];

describe('what is wrong with Redis', () => {
  it.each(SAID)('%s', (said, cause) => {
    expect(troubleOf(new Error(said))).toMatchObject({ cause, problem: said, remedy: expect.any(String) });
  });

  it('never says back what was sent: a server that knows no AUTH repeats the password', () => {
    const said = "ERR unknown command 'AUTH', with args beginning with: 'me' 's3cret'";
    expect(problemOf(new Error(said))).toBe("ERR unknown command 'AUTH'");
    expect(JSON.stringify(troubleOf(new Error(said)))).not.toContain('s3cret');
  });

  it('is told once by each cause; the end of a connection does not hide why there is no other', () => {
    const troubles = new Troubles();
    const begin = (said: string) => troubles.begin('lookups', new Error(said), 0)?.cause;
    expect(begin('Socket closed unexpectedly')).toBe('offline');
    expect(begin('WRONGPASS invalid')).toBe('login');
    expect(begin('Disconnects client')).toBeUndefined();
    expect(troubles.list()).toMatchObject([{ cause: 'login' }]);
    expect([begin('Breaker is open'), begin('Socket closed unexpectedly'), begin('WRONGPASS')]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(troubles.list()).toMatchObject([{ with: 'lookups', cause: 'login' }]);
    expect(begin('connect ECONNREFUSED 127.0.0.1:1')).toBeUndefined();
    expect(troubles.list()).toMatchObject([{ cause: 'offline' }]);
    // Now and then something works: that is not yet the end.
    expect(troubles.end('lookups', 4_999)).toBe(false);
    expect(troubles.end('writes', 5_000)).toBe(false);
    expect(troubles.end('lookups', 5_000)).toBe(true);
    expect(troubles.list()).toEqual([]);
    expect(begin('WRONGPASS')).toBe('login');
  });
});
