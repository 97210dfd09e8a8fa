/** The live feed over real sockets: resumed by id, filtered, a tenant's own; one tail for all who follow. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { hit, synced } from '../support/facts.js';
import { givenServer, type TestServer } from './support.js';

interface Frame {
  readonly id?: string;
  readonly event?: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test says what it expects to be there.
  readonly data?: any;
}

const followers: AbortController[] = [];
afterEach(() => {
  for (const each of followers.splice(0)) each.abort();
});

async function listening(server: TestServer): Promise<string> {
  return server.server.listen({ host: '127.0.0.1', port: 0 });
}

/** Frames as they come, until the stream ends. */
async function* frames(response: Response): AsyncGenerator<Frame> {
  let text = '';
  const decoder = new TextDecoder();
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    text += decoder.decode(chunk, { stream: true });
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const fields = new Map(
        text
          .slice(0, end)
          .split('\n')
          .filter(line => !line.startsWith(':'))
          .map(line => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)] as const),
      );
      text = text.slice(end + 2);
      const data = fields.get('data');
      yield {
        ...(fields.has('id') && { id: fields.get('id') as string }),
        ...(fields.has('event') && { event: fields.get('event') as string }),
        ...(data !== undefined && { data: JSON.parse(data) }),
      };
    }
  }
}

async function follow(
  url: string,
  query: Record<string, string>,
  { as = 'analyst', lastEventId = '' } = {},
): Promise<{ response: Response; frames: AsyncGenerator<Frame> }> {
  const gone = new AbortController();
  followers.push(gone);
  const response = await fetch(`${url}/v1/events/feed?${new URLSearchParams(query)}`, {
    headers: { authorization: `Bearer ${as}`, ...(lastEventId && { 'last-event-id': lastEventId }) },
    signal: gone.signal,
  });
  return { response, frames: frames(response) };
}

/** Up to the first frame of that event, which is among them. */
async function upTo(source: AsyncGenerator<Frame>, event: string): Promise<Frame[]> {
  const read: Frame[] = [];
  for (let next = await source.next(); !next.done; next = await source.next()) {
    if (next.value.data !== undefined) read.push(next.value);
    if (next.value.event === event) break;
  }
  return read;
}

const idsOf = (read: readonly Frame[]) =>
  read.filter(({ event }) => event === undefined).map(({ data }) => data.id);
const alice = { userId: 'alice', credentialId: 'main' };
const bob = { userId: 'bob', credentialId: 'main' };

describe('GET /v1/events/feed', () => {
  it('tells everything from the beginning, then what comes, and goes on from any id', async () => {
    const server = await givenServer();
    const url = await listening(server);
    const store = await server.state.store();
    const past = [synced(alice), hit(alice), synced(bob), hit(bob)];
    await store.append(past);

    const { response, frames: all } = await follow(url, { from: 'beginning' });
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    const read = await upTo(all, 'caught-up');
    expect(idsOf(read)).toEqual(past.map(({ id }) => id));
    expect(read[0]?.data).toMatchObject({ type: 'ConnectorSynced', data: { userId: 'alice' } });
    const next = synced(alice);
    await store.append([next]);
    expect((await all.next()).value).toMatchObject({ data: { id: next.id } });

    for (const [i, { id = '' }] of read.slice(0, past.length).entries()) {
      const { frames: rest } = await follow(url, { from: 'end' }, { lastEventId: id });
      expect(idsOf(await upTo(rest, 'caught-up'))).toEqual([...past, next].slice(i + 1).map(e => e.id));
    }
  });

  it('filters, and keeps a tenant to what is his own', async () => {
    const server = await givenServer();
    const url = await listening(server);
    const events = [synced(alice), synced(bob), hit(alice), hit(bob)];
    await (await server.state.store()).append(events);
    const idsAs = async (query: Record<string, string>, as: string) => {
      const { frames: read } = await follow(url, { from: 'beginning', ...query }, { as });
      return upTo(read, 'caught-up');
    };

    expect(idsOf(await idsAs({ types: 'ConnectorStateHit,ConnectorAuthFailed' }, 'analyst'))).toEqual([
      events[2]?.id,
      events[3]?.id,
    ]);
    const own = await idsAs({}, 'analyst@alice');
    expect(idsOf(own)).toEqual([events[0]?.id, events[2]?.id]);
    for (const { data } of own.slice(0, 2)) {
      expect(data).not.toHaveProperty('host');
      expect(data).not.toHaveProperty('position');
    }
    expect(JSON.stringify(own)).not.toContain('bob');
    const { response } = await follow(url, { userId: 'bob' }, { as: 'analyst@alice' });
    expect(response.status).toBe(404);
  });

  it('counts hits for who need not be told of each, a tenant his own, and goes on behind them', async () => {
    const server = await givenServer();
    const url = await listening(server);
    const events = [hit({ ...alice, count: 3 }), synced(alice), hit({ ...bob, count: 5 }), hit(alice)];
    await (await server.state.store()).append(events);
    const toldTo = async (as: string, query: Record<string, string> = {}, lastEventId = '') => {
      const place = lastEventId === '' ? { from: 'beginning' } : {};
      const { frames: read } = await follow(
        url,
        { hits: 'counted', ...place, ...query },
        { as, lastEventId },
      );
      return (await upTo(read, 'caught-up')).slice(0, -1);
    };
    const all = await toldTo('analyst');
    expect(all.map(({ event, data }) => [event, data.type ?? data.count])).toEqual([
      [undefined, 'ConnectorSynced'],
      ['hits', 9],
    ]);
    expect((await toldTo('analyst@alice')).at(-1)).toMatchObject({ event: 'hits', data: { count: 4 } });
    expect(await toldTo('analyst', { types: 'ConnectorSynced' })).toMatchObject([
      { data: { type: 'ConnectorSynced' } },
    ]);
    // From the fact on, the hits behind it; from the count on, nothing.
    expect(await toldTo('analyst', {}, all[0]?.id)).toMatchObject([{ event: 'hits', data: { count: 6 } }]);
    expect(await toldTo('analyst', {}, all[1]?.id)).toEqual([]);
  });

  it('gives a stranger 401, a wrong role 403, and a bad request its sentence', async () => {
    const { ask } = await givenServer();
    expect((await ask('/v1/events/feed', 'nobody')).status).toBe(401);
    expect((await ask('/v1/events/feed', 'reader')).status).toBe(403);
    const bad = await ask('/v1/events/feed?from=yesterday', 'analyst');
    expect(bad).toMatchObject({ status: 400, body: { code: 'INVALID_INPUT' } });
    expect(bad.body.detail).toMatch(/a place in the feed must be/);
    expect((await ask('/v1/events/feed?exchange=mt-gox', 'analyst')).status).toBe(400);
    const unknown = await ask('/v1/events/feed?types=ConnectorSynced,ConnectorHit', 'analyst');
    expect(unknown).toMatchObject({ status: 400, body: { code: 'INVALID_INPUT' } });
    expect(unknown.body.detail).toContain('"ConnectorHit"');
  });

  it('says reset where the log is another one than the id is of', async () => {
    const server = await givenServer();
    const url = await listening(server);
    await (await server.state.store()).append([synced(alice)]);
    const lastEventId = '1.0123456789abcdef.pg/1.0123456789abcdef';
    const { frames: read } = await follow(url, {}, { lastEventId });
    const [reset, first] = await upTo(read, 'caught-up');
    expect(reset).toMatchObject({ event: 'reset', data: { reason: 'other-log' } });
    expect(first?.data.type).toBe('ConnectorSynced');
  });

  it('is cut off by a server that ends, with the id to go on from elsewhere', async () => {
    const server = await givenServer();
    const url = await listening(server);
    await (await server.state.store()).append([synced(alice)]);
    const { frames: read } = await follow(url, { from: 'beginning' });
    const seen = await upTo(read, 'caught-up');
    const closed = server.server.close();
    const [last] = await upTo(read, 'cut-off');
    expect(last).toMatchObject({ event: 'cut-off', data: { reason: 'closing' }, id: seen.at(-1)?.id });
    expect((await read.next()).done).toBe(true);
    await closed;
  });

  it('leaves no follower behind who has gone', async () => {
    const server = await givenServer();
    const url = await listening(server);
    const { frames: read } = await follow(url, { from: 'end' });
    await upTo(read, 'caught-up');
    const feed = await server.state.feed();
    expect(feed.followers).toBe(1);
    followers.splice(0)[0]?.abort();
    await read.next().catch(() => undefined);
    while (feed.followers > 0) await new Promise(setImmediate);
    // fetch connects anew beforehand; a connection that never had a request is closed by nobody else.
    server.server.server.closeAllConnections();
  });
});
