/**
 * The master that Sentinels name, as one client, which is exchanged when they name another.
 *
 *   ask a Sentinel ──► a client of the node that it names ──► ask again: calmly while that is connected, often while it is not
 *
 * The client library has this too. It hears of no failover, for it subscribes to `switch-master` where Sentinel says
 * `+switch-master`, and having found no master it pauses for a second (@redis/client 6.3.1): hits were back 1.3 to 1.6 s
 * after the new master had been named.
 *
 * A Sentinel that is cut off goes on naming the master that is gone. So while that cannot be reached, another is asked each
 * time.
 */
import type { RedisClientType } from 'redis';
import { withDeadline } from '../base/deadline.js';
import { end } from './end.js';

export interface Node {
  readonly host: string;
  readonly port: number;
}

export interface Following {
  readonly sentinels: readonly Node[];
  /** As the Sentinels call the master. */
  readonly name: string;
  /** Not connected, and once lost it is left alone. */
  readonly sentinelAt: (node: Node) => RedisClientType;
  /** Not connected; reconnects by itself. */
  readonly masterAt: (node: Node) => RedisClientType;
  /** Told why there is no master, or no connection to it. */
  readonly heard: (error: unknown) => void;
  /** The client was exchanged. */
  readonly left: () => void;
}

export interface FollowedMaster {
  /** `undefined` before the first was named. */
  current(): { readonly node: Node; readonly client: RedisClientType } | undefined;
  /** Resolves when there is a master and a connection to it. */
  connect(): Promise<void>;
  /** Another client of the same master: nobody answers this one. */
  renew(): void;
  destroy(): void;
}

const CALM_MS = 500;
const URGENT_MS = 100;
const ANSWER_MS = 1_000;

export function followMaster({
  sentinels,
  name,
  sentinelAt,
  masterAt,
  heard,
  left,
}: Following): FollowedMaster {
  let master: { node: Node; client: RedisClientType } | undefined;
  let sentinel: RedisClientType | undefined;
  let turn = 0;
  let timer: NodeJS.Timeout | undefined;
  let isClosed = false;
  let opened = () => {};

  async function look(): Promise<void> {
    try {
      const node = await named();
      if (isClosed) return;
      const isSame = master?.node.host === node.host && master.node.port === node.port;
      if (!isSame) exchange(node);
      else if (!master?.client.isReady && sentinels.length > 1) leaveSentinel();
    } catch (error) {
      leaveSentinel();
      if (isClosed) return;
      heard(error);
    }
    timer = setTimeout(() => void look(), master?.client.isReady ? CALM_MS : URGENT_MS);
  }

  async function named(): Promise<Node> {
    if (!sentinel) {
      sentinel = sentinelAt(sentinels[turn++ % sentinels.length] as Node);
      sentinel.on('error', () => undefined);
      await sentinel.connect();
    }
    const asked = sentinel.sendCommand(['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', name]);
    const said: unknown = await withDeadline(asked, ANSWER_MS, () => {
      throw new Error('a Sentinel does not answer');
    });
    if (!Array.isArray(said)) throw new Error(`no such master is known to this Sentinel: ${name}`);
    return { host: String(said[0]), port: Number(said[1]) };
  }

  function exchange(node: Node): void {
    end(master?.client);
    const client = masterAt(node);
    master = { node, client };
    client.on('error', error => {
      if (master?.client === client) heard(error);
    });
    client.connect().then(opened, heard);
    left();
  }

  function leaveSentinel(): void {
    end(sentinel);
    sentinel = undefined;
  }

  return {
    current: () => master,
    connect() {
      void look();
      return new Promise(resolve => {
        opened = resolve;
      });
    },
    renew() {
      if (master && !isClosed) exchange(master.node);
    },
    destroy() {
      isClosed = true;
      clearTimeout(timer);
      leaveSentinel();
      end(master?.client);
    },
  };
}
