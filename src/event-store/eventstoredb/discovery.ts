/**
 * Finding the node to talk to: any node of a cluster knows the others and which of them leads. Seeds are asked one
 * after the other, in random order so that many processes do not all ask the first.
 */
import type { ClusterInfo } from '@eventstore/db-client/generated/gossip_pb.js';
import { type ChannelCredentials, type ChannelOptions, Metadata } from '@grpc/grpc-js';
import type { Endpoint, NodePreference } from './connection-string.js';
import { EventStoreFailure, toFailure } from './failure.js';
import { Empty, GossipClient, MemberInfo } from './protocol.js';

export interface DiscoveryOptions {
  readonly seeds: readonly Endpoint[];
  readonly nodePreference: NodePreference;
  readonly gossipTimeoutMs: number;
  readonly credentials: ChannelCredentials;
  readonly channelOptions: ChannelOptions;
}

interface Member {
  readonly endpoint: Endpoint;
  readonly state: number;
}

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

/**
 * @returns the node to use, and every node of the cluster, to be asked next time
 * @throws EventStoreFailure when no seed answers, or no node of the cluster can serve
 */
export async function discover(
  options: DiscoveryOptions,
): Promise<{ readonly chosen: Endpoint; readonly all: readonly Endpoint[] }> {
  let lastFailure: Error | undefined;
  for (const seed of shuffled(options.seeds)) {
    try {
      const members = await askForMembers(seed, options);
      const chosen = choose(members, options.nodePreference);
      if (chosen) return { chosen, all: members.map(({ endpoint }) => endpoint) };
    } catch (error) {
      lastFailure = toFailure(error, `ask ${seed.host}:${seed.port} for the nodes of its cluster`);
    }
  }
  throw (
    lastFailure ??
    new EventStoreFailure(
      'the event store could not find a leader: no node of the cluster leads; retry, or look after the cluster',
      true,
    )
  );
}

/** Writes need the leader; whoever prefers another node to read from takes any while there is none. */
function choose(members: readonly Member[], preference: NodePreference): Endpoint | undefined {
  const inOrder = shuffled(members);
  const preferred = inOrder.find(({ state }) => PREFERRED[preference].includes(state));
  return (preferred ?? (preference === 'leader' ? undefined : inOrder[0]))?.endpoint;
}

async function askForMembers(seed: Endpoint, options: DiscoveryOptions): Promise<Member[]> {
  const { credentials, channelOptions, gossipTimeoutMs } = options;
  const client = new GossipClient(`${seed.host}:${seed.port}`, credentials, channelOptions);
  try {
    const answer = await new Promise<ClusterInfo>((resolve, reject) => {
      const deadline = Date.now() + gossipTimeoutMs;
      client.read(new Empty(), new Metadata(), { deadline }, (error, info) => {
        if (error) reject(error);
        else resolve(info);
      });
    });
    return answer.getMembersList().flatMap(member => {
      const endpoint = member.getHttpEndPoint();
      const state = member.getState();
      if (!member.getIsAlive() || !endpoint || !USABLE.includes(state)) return [];
      return [{ endpoint: { host: endpoint.getAddress(), port: endpoint.getPort() }, state }];
    });
  } finally {
    client.close();
  }
}

function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map(item => ({ item, order: Math.random() }))
    .sort((a, b) => a.order - b.order)
    .map(({ item }) => item);
}
