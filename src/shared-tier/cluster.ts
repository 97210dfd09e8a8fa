/**
 * A cluster's client, exchanged for another when a node does not answer.
 *
 *   ask one node who has the slots ──► a client of those ──a node is silent──► ask another, and exchange it
 *
 * The client library follows MOVED, and asks who has a dead node's slots when it tries to reach that node for the second time
 * in a row. What it does not leave is a node that stands still while its system goes on taking connections: the first
 * attempt succeeds, and its slots are asked of it for good, whoever has them (redis@6.3.1).
 *
 * One node is asked at a time, and another each time, for the one that is asked may be the one that stands still. Connections
 * to the others are made beside it: the library would wait for that to each node, also to one that is gone.
 */
import { withDeadline } from '../base/deadline.js';
import { end } from './end.js';
import type { Node } from './sentinel.js';

export interface ClusterClient {
  readonly masters: readonly (Node & object)[];
  connect(): Promise<unknown>;
  destroy(): unknown;
  on(event: 'error', heard: (error: unknown) => void): unknown;
}

export interface FollowingCluster<Client> {
  /** Where to ask at first. */
  readonly roots: readonly Node[];
  /** Not connected; connects to no node before it is asked to. */
  readonly clientAt: (root: Node) => Client;
  /** Connects to each master; resolves when that is done, or cannot be now. */
  readonly reach: (client: Client) => Promise<unknown>;
  readonly heard: (error: unknown) => void;
  /** The client was exchanged. */
  readonly left: () => void;
}

export interface FollowedCluster<Client> {
  /** `undefined` before a node has said who has the slots. */
  current(): Client | undefined;
  /** Masters, or where to ask. */
  places(): readonly Node[];
  /** Resolves when there is a client; goes on trying. */
  connect(): Promise<void>;
  renew(): void;
  destroy(): void;
}

const ANSWER_MS = 2_000;
const PAUSE_MS = 250;

export function followCluster<Client extends ClusterClient>({
  roots,
  clientAt,
  reach,
  heard,
  left,
}: FollowingCluster<Client>): FollowedCluster<Client> {
  let client: Client | undefined;
  let next: Client | undefined;
  let turn = 0;
  let isClosed = false;
  let timer: NodeJS.Timeout | undefined;
  let opened = () => {};

  const inTime = (work: Promise<unknown>) =>
    withDeadline(work, ANSWER_MS, () => {
      throw new Error('a node of the cluster does not answer');
    });
  const places = () => {
    const masters = client?.masters.map(({ host, port }) => ({ host, port })) ?? [];
    return masters.length > 0 ? masters : roots;
  };

  async function look(): Promise<void> {
    if (next || isClosed) return;
    clearTimeout(timer);
    const known = [...places(), ...roots];
    const asked = clientAt(known[turn++ % known.length] as Node);
    next = asked;
    asked.on('error', heard);
    try {
      await inTime(asked.connect());
      await inTime(reach(asked)).catch(heard);
      if (isClosed) return;
      end(client);
      client = asked;
      left();
      opened();
    } catch (error) {
      end(asked);
      if (isClosed) return;
      heard(error);
      timer = setTimeout(() => void look(), PAUSE_MS);
    } finally {
      next = undefined;
    }
  }

  return {
    current: () => client,
    places,
    connect() {
      void look();
      return new Promise(resolve => {
        opened = resolve;
      });
    },
    renew: () => void look(),
    destroy() {
      isClosed = true;
      clearTimeout(timer);
      end(next);
      end(client);
    },
  };
}
