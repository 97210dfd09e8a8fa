/**
 * The connections to Redis, one server, a cluster or a Sentinel's master, behind what the tier needs of them: run a
 * script where its keys lie, and hear a channel.
 *
 * `redis`, the client, is an optional peer: loaded when `REDIS_URL` is set, and named in the error when it is missing.
 * It reconnects, follows MOVED and ASK and finds a new master by itself; while it is not connected a command fails at
 * once, for a lookup has no time to queue.
 */
import { readFileSync } from 'node:fs';
import type { RedisClientType } from 'redis';
import { ConnectorStateError } from '../base/errors.js';
import type { Logger } from '../base/logging.js';
import { explainMissing } from '../base/optional-package.js';
import { placeName, type RedisPlace } from './redis-url.js';
import type { Script } from './scripts.js';
import { followMaster } from './sentinel.js';
import { isVague, problemOf, troubleOf } from './trouble.js';

export interface RedisConnections {
  readonly isCluster: boolean;
  /**
   * @param keys of one slot, at least one. The first decides where it runs, also behind a proxy
   * @throws the server's refusal, or why nobody is there
   */
  run(script: Script, keys: readonly string[], args: readonly (string | Buffer)[]): Promise<unknown>;
  /** A connection of its own to one node, for a channel; not yet open. Never reconnects: its end is its end. */
  subscriber(): RedisClientType;
  /** Resolves once connected; until then it goes on trying, so whoever waits needs a deadline. */
  open(): Promise<void>;
  /** Why the last attempt to connect failed, while there is no connection that has answered since. */
  failure(): unknown;
  close(): void;
}

type Send = (key: string, args: (string | Buffer)[]) => Promise<unknown>;
type Redis = typeof import('redis');

const CONNECT_TIMEOUT_MS = 2_000;
const LONGEST_PAUSE_MS = 1_000;
/** In a cluster the client asks who has a dead node's slots when it tries to reach that node again, and at no other time. */
const LONGEST_CLUSTER_PAUSE_MS = 250;
/** Nobody waits for an answer that is so old: the connection is taken for dead and made anew. */
const SILENCE_MS = 15_000;

/**
 * @throws ConnectorStateError `PACKAGE_MISSING` when the client is not installed, `INVALID_SETTINGS` when the file of `?ca=`
 *   cannot be read
 */
export async function createConnections(place: RedisPlace, log: Logger): Promise<RedisConnections> {
  const redis = await loadClient();
  const { username, password, tls, nodes } = place;
  const options = {
    // What the tier needs is in both; HELLO is not in every proxy, nor in every server that a provider offers.
    RESP: 2 as const,
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    disableOfflineQueue: true,
    // CLIENT SETINFO, for which a login with the least rights has none.
    disableClientInfo: true,
    commandsQueueMaxLength: 10_000,
    pingInterval: SILENCE_MS / 3,
  };
  const socket = {
    connectTimeout: CONNECT_TIMEOUT_MS,
    socketTimeout: SILENCE_MS,
    reconnectStrategy: (tries: number) =>
      Math.min(
        place.mode === 'cluster' ? LONGEST_CLUSTER_PAUSE_MS : LONGEST_PAUSE_MS,
        50 * 2 ** Math.min(tries, 10),
      ),
    ...(tls && { tls: true as const, ...(place.ca && { ca: readCa(place.ca) }) }),
  };
  const raw = {
    typeMapping: { [redis.RESP_TYPES.BLOB_STRING]: Buffer },
    // Its own time-out (5 s) is a timer that lives as long whatever comes of the command, and is kept with all that it
    // refers to: a quarter of a lookup's processor time. Callers have deadlines, and the socket ends when it is silent.
    timeout: 0,
  };
  let isHeard = true;
  let failure: unknown;
  const heard = (error: unknown) => {
    // What says why stays beside the end that follows.
    if (failure === undefined || !isVague(troubleOf(error))) failure = error;
    if (isHeard)
      log.debug({ problem: problemOf(error), redis: placeName(place) }, 'a connection to Redis failed');
  };
  let turn = 0;
  let client: {
    connect(): Promise<unknown>;
    destroy(): unknown;
    on(event: 'error', heard: (error: unknown) => void): unknown;
  };
  let send: Send;
  let places = () => nodes;

  if (place.mode === 'cluster') {
    const cluster = redis.createCluster({
      RESP: 2,
      rootNodes: nodes.map(({ host, port }) => ({ socket: { ...socket, host, port } })),
      defaults: { ...options, socket },
      maxCommandRedirections: 5,
      topologyRefreshOnReconnectionAttemptStrategy: 200,
    });
    client = cluster;
    send = (key, args) => cluster.sendCommand(key, false, args, raw);
    places = () => {
      const known = cluster.masters.map(({ host, port }) => ({ host, port }));
      return known.length > 0 ? known : nodes;
    };
  } else if (place.mode === 'sentinel') {
    const followed = followMaster({
      sentinels: nodes,
      name: place.masterName as string,
      sentinelAt: node =>
        redis.createClient({
          RESP: 2,
          disableClientInfo: true,
          socket: { ...socket, ...node, reconnectStrategy: false },
        }) as unknown as RedisClientType,
      masterAt: node =>
        redis.createClient({
          ...options,
          database: place.database,
          socket: { ...socket, ...node },
        }) as unknown as RedisClientType,
      heard,
    });
    // What it hears it tells by itself.
    client = { connect: followed.connect, destroy: followed.destroy, on: () => undefined };
    send = async (_, args) => {
      const master = followed.current();
      if (!master) throw new Error('the client is offline: no master has been named');
      return master.client.sendCommand(args, raw);
    };
    places = () => {
      const master = followed.current();
      return master ? [master.node] : nodes;
    };
  } else {
    const [node] = nodes;
    const single = redis.createClient({
      ...options,
      database: place.database,
      socket: { ...socket, ...node },
    });
    client = single;
    send = (_, args) => single.sendCommand(args, raw);
  }
  client.on('error', heard);
  const answered = (answer: unknown) => {
    failure = undefined;
    return answer;
  };
  /** Of a client without a connection a command learns no more than that. */
  const why = (error: unknown) => (failure !== undefined && isVague(troubleOf(error)) ? failure : error);

  return {
    isCluster: place.mode === 'cluster',
    async run({ sha, text }, keys, args) {
      const [key] = keys as [string];
      const rest = [String(keys.length), ...keys, ...args];
      try {
        return answered(await send(key, ['EVALSHA', sha, ...rest]));
      } catch (error) {
        if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw why(error);
      }
      return send(key, ['EVAL', text, ...rest]).then(answered, error => {
        throw why(error);
      });
    },
    subscriber() {
      const known = places();
      const node = known[turn++ % known.length];
      const one = redis.createClient({
        ...options,
        disableOfflineQueue: false,
        socket: { ...socket, ...node, reconnectStrategy: false },
      });
      // Whoever listens hears of it too, and what it says is of this connection alone.
      one.on('error', () => undefined);
      return one as unknown as RedisClientType;
    },
    async open() {
      // Goes on trying by itself; whoever asks meanwhile is told that nobody is there.
      await client.connect().catch(heard);
    },
    failure: () => failure,
    close() {
      isHeard = false;
      try {
        client.destroy();
      } catch {
        // It was never open.
      }
    },
  };
}

async function loadClient(): Promise<Redis> {
  try {
    return await import('redis');
  } catch (error) {
    throw explainMissing(error, 'REDIS_URL');
  }
}

function readCa(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new ConnectorStateError(
      'INVALID_SETTINGS',
      `the file that ?ca= of REDIS_URL names cannot be read (${(error as NodeJS.ErrnoException).code}): correct its path`,
    );
  }
}
