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
import { followCluster } from './cluster.js';
import { end } from './end.js';
import { placeName, type RedisPlace } from './redis-url.js';
import type { Script } from './scripts.js';
import { followMaster, type Node } from './sentinel.js';
import { Silence } from './silence.js';
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
  /** What tells more than a failure that says only that nobody is there: {@link failure}. Else the failure itself. */
  causeOf(failed: unknown): unknown;
  close(): void;
}

/** Of one kind of place. */
interface Connection {
  send(key: string, args: (string | Buffer)[]): Promise<unknown>;
  /** Where a channel may be heard. */
  places(): readonly Node[];
  connect(): Promise<unknown>;
  /** Nobody answers: the same place, another connection. */
  renew(): void;
  destroy(): void;
}
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
 * @param now a clock that never goes back, ms
 */
export async function createConnections(
  place: RedisPlace,
  log: Logger,
  now: () => number = () => performance.now(),
): Promise<RedisConnections> {
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
  let subscribed: RedisClientType | undefined;
  // Whom it was to is left, so what is said now may be said elsewhere.
  const left = () => {
    if (subscribed?.isOpen) subscribed.destroy();
  };
  const clientAt = (node: Node) =>
    redis.createClient({
      ...options,
      database: place.database,
      socket: { ...socket, ...node },
    }) as unknown as RedisClientType;
  let connection: Connection;

  if (place.mode === 'cluster') {
    const followed = followCluster({
      roots: nodes,
      clientAt: root =>
        redis.createCluster({
          RESP: 2,
          rootNodes: [{ socket: { ...socket, ...root } }],
          defaults: { ...options, socket },
          maxCommandRedirections: 5,
          topologyRefreshOnReconnectionAttemptStrategy: 200,
          minimizeConnections: true,
        }),
      reach: cluster => Promise.all(cluster.masters.map(node => cluster.nodeClient(node))),
      heard,
      left,
    });
    connection = {
      ...followed,
      async send(key, args) {
        const cluster = followed.current();
        if (!cluster) throw new Error('the client is offline: no node has said who has the slots');
        return cluster.sendCommand(key, false, args, raw);
      },
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
      masterAt: clientAt,
      heard,
      left,
    });
    connection = {
      ...followed,
      async send(_, args) {
        const master = followed.current();
        if (!master) throw new Error('the client is offline: no master has been named');
        return master.client.sendCommand(args, raw);
      },
      places() {
        const master = followed.current();
        return master ? [master.node] : nodes;
      },
    };
  } else {
    const make = () => {
      const one = clientAt(nodes[0] as Node);
      one.on('error', heard);
      return one;
    };
    let single = make();
    connection = {
      send: (_, args) => single.sendCommand(args, raw),
      places: () => nodes,
      // Goes on trying by itself; whoever asks meanwhile is told that nobody is there.
      connect: () => single.connect().catch(heard),
      renew() {
        end(single);
        single = make();
        void single.connect().catch(heard);
        left();
      },
      destroy: () => end(single),
    };
  }
  const silence = new Silence();
  const renew = () => {
    heard(new Error('Redis does not answer over this connection'));
    connection.renew();
  };
  const answered = (answer: unknown) => {
    failure = undefined;
    return answer;
  };
  const causeOf = (failed: unknown) =>
    failure !== undefined && isVague(troubleOf(failed)) ? failure : failed;

  return {
    isCluster: place.mode === 'cluster',
    async run({ sha, text }, keys, args) {
      const [key] = keys as [string];
      const rest = [String(keys.length), ...keys, ...args];
      // In a cluster the first key is that of a cell's link, or of a lease.
      const waiting = silence.begin(place.mode === 'cluster' ? key : '', now(), renew);
      try {
        try {
          return answered(await connection.send(key, ['EVALSHA', sha, ...rest]));
        } catch (error) {
          if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
        }
        return answered(await connection.send(key, ['EVAL', text, ...rest]));
      } catch (error) {
        // At once: of a cluster another node may answer before it is told.
        throw causeOf(error);
      } finally {
        waiting.end(now());
      }
    },
    subscriber() {
      const known = connection.places();
      const node = known[turn++ % known.length];
      const one = redis.createClient({
        ...options,
        disableOfflineQueue: false,
        socket: { ...socket, ...node, reconnectStrategy: false },
      });
      // Whoever listens hears of it too, and what it says is of this connection alone.
      one.on('error', () => undefined);
      subscribed = one as unknown as RedisClientType;
      return subscribed;
    },
    async open() {
      await connection.connect();
    },
    failure: () => failure,
    causeOf,
    close() {
      isHeard = false;
      connection.destroy();
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
