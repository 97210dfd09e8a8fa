import { describe, expect, it } from '@jest/globals';
import { parseRedisUrl, placeName } from '../../src/shared-tier/redis-url.js';

describe('REDIS_URL', () => {
  it.each([
    ['redis://h', { mode: 'single', nodes: [{ host: 'h', port: 6379 }], database: 0, tls: false }],
    [' rediss://u:p%40@h:7/3 ', { mode: 'single', username: 'u', password: 'p@', database: 3, tls: true }],
    ['redis://:p@[::1]:7', { password: 'p', nodes: [{ host: '::1', port: 7 }] }],
    [
      'redis://a:1,b:2,c',
      {
        mode: 'cluster',
        nodes: [
          { host: 'a', port: 1 },
          { host: 'b', port: 2 },
          { host: 'c', port: 6379 },
        ],
      },
    ],
    ['redis://a?cluster=true', { mode: 'cluster' }],
    [
      'redis+sentinel://a,b:2/mine/4',
      {
        mode: 'sentinel',
        masterName: 'mine',
        database: 4,
        nodes: [
          { host: 'a', port: 26379 },
          { host: 'b', port: 2 },
        ],
      },
    ],
    ['rediss://h?ca=/etc/ca.pem', { ca: '/etc/ca.pem' }],
  ])('%s', (url, place) => {
    expect(parseRedisUrl(url)).toMatchObject({ place });
  });

  it.each([
    ['"redis://h"', 'quotes'],
    ['http://h', 'starts with http:'],
    ['redis://', 'without a host'],
    ['redis://h:0', 'port'],
    ['redis://h:99999', 'port'],
    ['redis://h/x', 'database'],
    ['redis://a,b/1', 'cluster with a database'],
    ['redis+sentinel://a', "master's name"],
    ['redis://h?tls=1', 'query'],
    ['redis://u:p/w@h', 'percent-encoded'],
    ['redis://u:%zz@h', 'percent-encoded'],
    ['nonsense', 'not a URL'],
  ])('refuses %s and never shows it', (url, problem) => {
    const parsed = parseRedisUrl(url);
    expect(parsed).toEqual({ problem: expect.stringContaining(problem) });
    expect(JSON.stringify(parsed)).not.toMatch(/p\/w|%zz/);
  });

  it('is named without its login', () => {
    const parsed = parseRedisUrl('redis://user:secret@a:1,b:2');
    expect('place' in parsed && placeName(parsed.place)).toBe('a:1, b:2 (cluster)');
  });
});
