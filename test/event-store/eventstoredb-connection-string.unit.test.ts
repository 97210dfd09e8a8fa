import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { parseConnectionString } from '../../src/event-store/eventstoredb/index.js';

const directory = mkdtempSync(join(tmpdir(), 'esdb-url-'));
const authority = join(directory, 'ca.pem');
writeFileSync(authority, 'PEM');
afterAll(() => rmSync(directory, { recursive: true }));

const problemsOf = (url: string): string => {
  try {
    parseConnectionString(url);
  } catch (error) {
    expect(error).toMatchObject({ code: 'INVALID_SETTINGS' });
    return (error as Error).message;
  }
  return 'none';
};

describe('an EventStoreDB URL', () => {
  it('names one node, in the clear or by TLS', () => {
    expect(parseConnectionString('esdb://localhost?tls=false')).toMatchObject({
      seeds: [{ host: 'localhost', port: 2113 }],
      isCluster: false,
      tls: undefined,
      credentials: undefined,
      nodePreference: 'leader',
    });
    expect(
      parseConnectionString(`esdb://db:2114/?tls_ca_file=${encodeURIComponent(authority)}`),
    ).toMatchObject({
      seeds: [{ host: 'db', port: 2114 }],
      tls: { authority: Buffer.from('PEM') },
    });
  });

  it('names a cluster, by its nodes or by where to ask for them', () => {
    expect(parseConnectionString('esdb://a:1,b:2,c?nodePreference=Follower')).toMatchObject({
      seeds: [
        { host: 'a', port: 1 },
        { host: 'b', port: 2 },
        { host: 'c', port: 2113 },
      ],
      isCluster: true,
      nodePreference: 'follower',
    });
    expect(parseConnectionString('esdb+discover://cluster.example')).toMatchObject({ isCluster: true });
  });

  it.each([
    ['admin:changeit', { user: 'admin', password: 'changeit' }],
    ['ops%40corp:p%3Aa%2Fs%25s', { user: 'ops@corp', password: 'p:a/s%s' }],
    ['admin:with:colons', { user: 'admin', password: 'with:colons' }],
    ['admin:with@at', { user: 'admin', password: 'with@at' }],
  ])('takes credentials as %s', (userInfo, credentials) => {
    expect(parseConnectionString(`esdb://${userInfo}@host`).credentials).toEqual(credentials);
  });

  it('takes options of the other clients that mean nothing here', () => {
    const url = 'esdb://host?tls=true&maxDiscoverAttempts=5&discoveryInterval=100&throwOnAppendFailure=true';
    expect(parseConnectionString(`${url}&keepAliveInterval=-1&defaultDeadline=500`)).toMatchObject({
      keepAliveIntervalMs: -1,
      callTimeoutMs: 500,
    });
  });

  it.each([
    ['http://host', /must look like esdb:/],
    ['esdb://', /must look like esdb:/],
    ['esdb://host:99999', /a port from 1 to 65535/],
    ['esdb://host:port', /a port from 1 to 65535/],
    ['esdb://user@host', /user:password/],
    ['esdb://user:%zz@host', /user:password/],
    ['esdb://user:hunter2@host?tls=false', /cross the network readable.*remove tls=false/s],
    ['esdb://host?tls=no', /tls must be one of true, false/],
    ['esdb://host?tlsVerifyCert=false', /give the file of the authority/],
    ['esdb://host?throwOnAppendFailure=false', /not supported: remove it/],
    ['esdb://host?tlsCAFile=/no/such/file', /cannot read \/no\/such\/file \(ENOENT\)/],
    [`esdb://host?tls=false&tlsCAFile=${authority}`, /tls=false with certificate files/],
    [`esdb://host?userCertFile=${authority}`, /belong together/],
    ['esdb://host?keepAliveInterval=soon', /whole number from -1/],
    ['esdb://host?gossip=often', /unknown option "gossip": remove it/],
  ])('refuses %s with the remedy', (url, problem) => {
    expect(problemsOf(url)).toMatch(problem);
  });

  it('lists every problem, and repeats no secret', () => {
    const problems = problemsOf(
      'esdb://admin:hunter2@host:0?tls=false&colour=hunter2&nodePreference=hunter2',
    );

    expect(problems.match(/^ {2}- /gm)).toHaveLength(4);
    expect(problems).not.toContain('hunter2');
  });
});
