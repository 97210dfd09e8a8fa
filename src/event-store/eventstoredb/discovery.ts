/**
 * Finding the node to talk to: any node of a cluster knows the others and which of them leads.
 *
 * All known nodes are asked at once, each once at a time, and the first answer that tells a usable node decides. What
 * pays for that: asked one after the other, 5 s for each that is frozen, 11 of 30 appends failed after a leader froze
 * although the cluster had a new one after 4.5 s. While the others still call a node leader that this process has just
 * doubted, it is taken only if it answers itself; else all are asked again, until an election or the time is over.
 */
import { setMaxListeners } from 'node:events';
import type { ClusterInfo } from '@eventstore/db-client/generated/gossip_pb.js';
import { type ChannelCredentials, type ChannelOptions, Metadata } from '@grpc/grpc-js';
import { sleep } from '../waiting.js';
import type { Endpoint, NodePreference } from './connection-string.js';
import { EventStoreFailure, type Reason, reasonFor } from './failure.js';
import { Empty, GossipClient, MemberInfo } from './protocol.js';

export interface DiscoveryOptions {
  readonly seeds: readonly Endpoint[];
  /** A node that has just not answered. */
  readonly doubted?: Endpoint | undefined;
  readonly nodePreference: NodePreference;
  /** How long it may take together. */
  readonly gossipTimeoutMs: number;
  readonly credentials: ChannelCredentials;
  readonly channelOptions: ChannelOptions;
}

type Client = InstanceType<typeof GossipClient>;

interface Member {
  readonly endpoint: Endpoint;
  readonly state: number;
}

export interface Found {
  /** The node to use. */
  readonly chosen: Endpoint;
  /** Every node of the cluster, to be asked next time. */
  readonly all: readonly Endpoint[];
}

const ASK_AGAIN_MS = 150;

const { VNodeState } = MemberInfo;
const USABLE: readonly number[] = [
  VNodeState.LEADER,
  VNodeState.FOLLOWER,
  VNodeState.READONLYREPLICA,
  VNodeState.PREREADONLYREPLICA,
  VNodeState.READONLYLEADERLESS,
];
const PREFERRED: Readonly<Record<NodePreference, readonly number[]>> = {
  leader: [VNodeState.LEADER],
  follower: [VNodeState.FOLLOWER],
  readOnlyReplica: [VNodeState.READONLYREPLICA, VNodeState.PREREADONLYREPLICA, VNodeState.READONLYLEADERLESS],
  random: USABLE,
};

export const nameOf = ({ host, port }: Endpoint): string => `${host.toLowerCase()}:${port}`;

/** By name: what each node that was asked said last. */
type Said = Map<string, 'nothing yet' | 'its nodes' | Reason>;

/** @throws EventStoreFailure that names each node that was asked and what it answered */
export async function discover(options: DiscoveryOptions): Promise<Found> {
  const { seeds, doubted, nodePreference, gossipTimeoutMs, credentials, channelOptions } = options;
  const said: Said = new Map();
  const clients: Client[] = [];
  const over = new AbortController();
  // Each node's turn listens while it rests.
  setMaxListeners(0, over.signal);
  let timer: NodeJS.Timeout | undefined;

  const isTrusted = (endpoint: Endpoint) =>
    !doubted || nameOf(doubted) !== nameOf(endpoint) || said.get(nameOf(endpoint)) === 'its nodes';

  function open({ host, port }: Endpoint): Client {
    const client = new GossipClient(`${host}:${port}`, credentials, channelOptions);
    clients.push(client);
    return client;
  }

  try {
    return await new Promise<Found>((resolve, reject) => {
      timer = setTimeout(() => reject(toFailure(said)), gossipTimeoutMs);
      /** Again and again until the search is over. Never rejects. */
      async function ask(endpoint: Endpoint): Promise<void> {
        const name = nameOf(endpoint);
        if (said.has(name)) return;
        said.set(name, 'nothing yet');
        let client: Client | undefined;
        while (!over.signal.aborted) {
          try {
            client ??= open(endpoint);
            const members = await membersKnownTo(client, gossipTimeoutMs);
            if (over.signal.aborted) return;
            said.set(name, 'its nodes');
            const chosen = choose(members, nodePreference, isTrusted);
            if (chosen) resolve({ chosen, all: members.map(member => member.endpoint) });
            else for (const member of members) void ask(member.endpoint);
          } catch (error) {
            said.set(name, reasonFor(error));
            // When nobody has answered and all have failed, waiting would only hide why.
            if ([...said.values()].every(answer => typeof answer === 'object')) reject(toFailure(said));
          }
          await sleep(ASK_AGAIN_MS, over.signal);
        }
      }
      for (const seed of seeds) void ask(seed);
    });
  } finally {
    clearTimeout(timer);
    over.abort();
    for (const client of clients) client.close();
  }
}

function toFailure(said: Said): EventStoreFailure {
  const told = [...said].map(([name, answer]) => {
    if (typeof answer === 'object') return `${name}: ${answer.reason}`;
    return `${name}: ${answer === 'its nodes' ? 'answers' : 'no answer in time'}`;
  });
  const answers = [...said.values()];
  if (answers.includes('its nodes')) {
    return new EventStoreFailure(
      `the event store could not find a leader (no node of the cluster leads, or the one that leads does not answer; ${told.join('; ')}): retry, or look after the cluster`,
      true,
    );
  }
  const reasons = answers.filter(answer => typeof answer === 'object');
  return new EventStoreFailure(
    `the event store could not be found (${told.join('; ')}): ${reasons[0]?.remedy ?? 'start the cluster, or correct the URL'}`,
    reasons.length < answers.length || reasons.some(({ transient }) => transient),
  );
}

/** Writes need the leader; whoever prefers another node to read from takes any while there is none. */
function choose(
  members: readonly Member[],
  preference: NodePreference,
  isTrusted: (endpoint: Endpoint) => boolean,
): Endpoint | undefined {
  const trusted = members.filter(({ endpoint }) => isTrusted(endpoint));
  const preferred = trusted.filter(({ state }) => PREFERRED[preference].includes(state));
  const candidates = preferred.length === 0 && preference !== 'leader' ? trusted : preferred;
  return candidates[Math.floor(Math.random() * candidates.length)]?.endpoint;
}

const membersKnownTo = (client: Client, timeoutMs: number): Promise<readonly Member[]> =>
  new Promise((resolve, reject) => {
    client.read(new Empty(), new Metadata(), { deadline: Date.now() + timeoutMs }, (error, info) => {
      // Thrown from here it would reach nobody.
      try {
        if (error) throw error;
        resolve(membersOf(info));
      } catch (failure) {
        reject(failure);
      }
    });
  });

const membersOf = (info: ClusterInfo): Member[] =>
  info.getMembersList().flatMap(member => {
    const endpoint = member.getHttpEndPoint();
    const state = member.getState();
    if (!member.getIsAlive() || !endpoint || !USABLE.includes(state)) return [];
    return [{ endpoint: { host: endpoint.getAddress(), port: endpoint.getPort() }, state }];
  });
