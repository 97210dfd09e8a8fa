/**
 * Finding the node to talk to: any node of a cluster knows the others and which of them leads.
 *
 * All known nodes are asked at once, each once at a time, and the first answer that tells a usable node decides. What
 * pays for that: asked one after the other, 5 s for each that is frozen, 11 of 30 appends failed after a leader froze
 * although the cluster had a new one after 4.5 s. While the others still call a node leader that this process has just
 * doubted, it is taken only if it answers itself; else all are asked again, until an election or the time is over.
 */
import type { ClusterInfo } from '@eventstore/db-client/generated/gossip_pb.js';
import { type ChannelCredentials, type ChannelOptions, Metadata } from '@grpc/grpc-js';
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

/** @throws EventStoreFailure that names each node that was asked and what it answered */
export function discover(options: DiscoveryOptions): Promise<Found> {
  return new Promise((resolve, reject) => new Search(options, resolve, reject).start());
}

class Search {
  readonly #options: DiscoveryOptions;
  readonly #resolve: (found: Found) => void;
  readonly #reject: (failure: Error) => void;
  /** By name: what each node that was asked said last. */
  readonly #said = new Map<string, 'nothing yet' | 'its nodes' | Reason>();
  readonly #clients: InstanceType<typeof GossipClient>[] = [];
  readonly #timers = new Set<NodeJS.Timeout>();
  #isOver = false;

  constructor(options: DiscoveryOptions, resolve: (found: Found) => void, reject: (failure: Error) => void) {
    this.#options = options;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  start(): void {
    this.#later(this.#options.gossipTimeoutMs, () => this.#end(() => this.#reject(this.#failure())));
    for (const seed of this.#options.seeds) this.#include(seed);
  }

  #include(endpoint: Endpoint): void {
    if (this.#isOver || this.#said.has(nameOf(endpoint))) return;
    this.#said.set(nameOf(endpoint), 'nothing yet');
    const { credentials, channelOptions } = this.#options;
    try {
      const client = new GossipClient(`${endpoint.host}:${endpoint.port}`, credentials, channelOptions);
      this.#clients.push(client);
      this.#ask(client, endpoint);
    } catch (error) {
      this.#noteFailure(endpoint, error);
    }
  }

  #ask(client: InstanceType<typeof GossipClient>, endpoint: Endpoint): void {
    if (this.#isOver) return;
    const deadline = Date.now() + this.#options.gossipTimeoutMs;
    client.read(new Empty(), new Metadata(), { deadline }, (error, info) => {
      if (this.#isOver) return;
      // Thrown from here it would reach nobody.
      try {
        if (error) throw error;
        this.#said.set(nameOf(endpoint), 'its nodes');
        this.#consider(membersOf(info));
      } catch (failure) {
        this.#noteFailure(endpoint, failure);
      }
      this.#later(ASK_AGAIN_MS, () => this.#ask(client, endpoint));
    });
  }

  #consider(members: readonly Member[]): void {
    const chosen = choose(members, this.#options.nodePreference, endpoint => this.#isTrusted(endpoint));
    if (!chosen) {
      for (const { endpoint } of members) this.#include(endpoint);
      return;
    }
    this.#end(() => this.#resolve({ chosen, all: members.map(({ endpoint }) => endpoint) }));
  }

  #isTrusted(endpoint: Endpoint): boolean {
    const { doubted } = this.#options;
    if (!doubted || nameOf(doubted) !== nameOf(endpoint)) return true;
    return this.#said.get(nameOf(endpoint)) === 'its nodes';
  }

  /** When nobody has answered and all have failed, waiting would only hide why. */
  #noteFailure(endpoint: Endpoint, error: unknown): void {
    this.#said.set(nameOf(endpoint), reasonFor(error));
    if ([...this.#said.values()].some(said => typeof said === 'string')) return;
    this.#end(() => this.#reject(this.#failure()));
  }

  #failure(): EventStoreFailure {
    const said = [...this.#said].map(([name, answer]) => {
      if (typeof answer === 'object') return `${name}: ${answer.reason}`;
      return `${name}: ${answer === 'its nodes' ? 'answers' : 'no answer in time'}`;
    });
    const answers = [...this.#said.values()];
    if (answers.includes('its nodes')) {
      return new EventStoreFailure(
        `the event store could not find a leader (no node of the cluster leads, or the one that leads does not answer; ${said.join('; ')}): retry, or look after the cluster`,
        true,
      );
    }
    const reasons = answers.filter(answer => typeof answer === 'object');
    return new EventStoreFailure(
      `the event store could not be found (${said.join('; ')}): ${reasons[0]?.remedy ?? 'start the cluster, or correct the URL'}`,
      reasons.length < answers.length || reasons.some(({ transient }) => transient),
    );
  }

  #later(ms: number, action: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      action();
    }, ms);
    this.#timers.add(timer);
  }

  #end(tell: () => void): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const timer of this.#timers) clearTimeout(timer);
    for (const client of this.#clients) client.close();
    tell();
  }
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

const membersOf = (info: ClusterInfo): Member[] =>
  info.getMembersList().flatMap(member => {
    const endpoint = member.getHttpEndPoint();
    const state = member.getState();
    if (!member.getIsAlive() || !endpoint || !USABLE.includes(state)) return [];
    return [{ endpoint: { host: endpoint.getAddress(), port: endpoint.getPort() }, state }];
  });
