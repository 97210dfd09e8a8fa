/** Wrong addresses, wrong credentials, wrong certificates: one clear sentence each, soon, and without a secret. */
import { describe, expect, it } from '@jest/globals';
import { sampleConnector } from '../contract/sample-events.js';
import { givenServer, givenStore } from './eventstoredb-support.js';

const USERS = { admin: 'correct horse' };
const PASSWORD = 'hunter2';
const withUser = (url: string, userInfo: string) => url.replace('://', `://${userInfo}@`);

describe('connecting', () => {
  const attempts: readonly [string, () => Promise<string>, RegExp][] = [
    [
      'nothing listens',
      async () => {
        const server = await givenServer();
        server.stop();
        return server.url;
      },
      /nothing listens at this address\): start the server/,
    ],
    [
      'the host does not exist',
      async () => 'esdb://no-such-host.invalid?tls=false',
      /no such host\): correct/,
    ],
    [
      'the password is wrong',
      async () => withUser((await givenServer({ tls: true, users: USERS })).url, `admin:${PASSWORD}`),
      /did not take the user and password\): correct them/,
    ],
    [
      'credentials are missing',
      async () => (await givenServer({ tls: true, users: USERS })).url,
      /access denied\): name a user in the event store's URL/,
    ],
    [
      'nobody vouches for the certificate',
      async () => {
        const { port } = await givenServer({ tls: true, users: USERS });
        return `esdb://admin:${PASSWORD}@localhost:${port}`;
      },
      /certificate does not verify: .*\): give the file of the authority/,
    ],
    [
      'the server has no TLS',
      async () => (await givenServer()).url.replace('?tls=false', ''),
      /no TLS with this server\): add tls=false/,
    ],
    [
      'the server wants TLS',
      async () => `esdb://localhost:${(await givenServer({ tls: true })).port}?tls=false`,
      /broke before there was an answer\): .*if it wants TLS, remove tls=false/,
    ],
    [
      'no node of the cluster answers',
      async () => {
        const server = await givenServer();
        server.stop();
        return `esdb+discover://localhost:${server.port},127.0.0.1:${server.port}?tls=false`;
      },
      /nothing listens at this address/,
    ],
  ];
  it.each(attempts)('says so when %s', async (_, givenUrl, sentence) => {
    const store = givenStore({ url: await givenUrl() }, { callTimeoutMs: 5_000 });

    for (const call of [
      () => store.append([sampleConnector().fact()]),
      () => store.head(),
      () =>
        store
          .subscribe({ after: undefined, signal: new AbortController().signal })
          [Symbol.asyncIterator]()
          .next(),
    ]) {
      const error = await Promise.resolve(call()).then(
        () => new Error('it worked'),
        (failure: Error) => failure,
      );
      expect(error).toMatchObject({ code: 'EVENT_STORE_FAILED', message: expect.stringMatching(sentence) });
      expect(error.message).not.toContain('\n');
      // At once: a wrong address is not tried again until a deadline.
      expect(error.message).not.toMatch(/within \d+ ms/);
      expect(`${error.stack}${JSON.stringify(error)}`).not.toContain(PASSWORD);
    }
  });

  it('works with the right authority and credentials', async () => {
    const server = await givenServer({ tls: true, users: USERS });
    const store = givenStore({ url: withUser(server.url, 'admin:correct%20horse') });

    expect((await store.append([sampleConnector().fact()])).events).toMatchObject([{ isNew: true }]);
  });

  it('does not wait for a server that takes the connection and says nothing', async () => {
    const server = await givenServer();
    server.inject({ kind: 'stall' });
    const store = givenStore(server, { callTimeoutMs: 300 });

    for (const call of [
      () => store.append([sampleConnector().fact()]),
      () => store.readStream(sampleConnector().stateStream),
      () => store.readAll({ limit: 1 }),
      () => store.head(),
      () => store.countAfter(undefined),
      () =>
        store
          .subscribe({ after: undefined, signal: new AbortController().signal })
          [Symbol.asyncIterator]()
          .next(),
    ]) {
      await expect(call()).rejects.toMatchObject({
        code: 'EVENT_STORE_FAILED',
        message: expect.stringMatching(/in time|within/),
      });
    }
  });

  it.each([0, 1.5, 2 ** 31])('refuses a call timeout of %p', callTimeoutMs => {
    expect(() => givenStore({ url: 'esdb://host' }, { callTimeoutMs })).toThrow(/callTimeoutMs/);
  });
});
