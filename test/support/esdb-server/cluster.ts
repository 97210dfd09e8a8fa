/**
 * Nodes of which one leads, each with a log of its own.
 *
 * An append is acknowledged once the leader and as many followers as make a majority have it; the others get it some
 * milliseconds later, so a follower that is asked may not know yet what was acknowledged. Without a majority an append
 * waits, is answered `Timeout` after two seconds, and was never there for anybody who did not see it: that is the real
 * cluster's truncation of what a lost leader alone had. Only a node that has everything acknowledged can be elected.
 *
 * A node can be stopped (its connections break), frozen (they hang, and it goes on where it was), isolated (clients reach
 * it, the other nodes do not: it leads nobody and knows nobody) and can lag (it answers, ever further behind). Gossip
 * tells of a lost leader as alive until there is another, as it does in a real cluster for some seconds.
 */
import { rmSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Users } from './access.js';
import { createCertificate, type ServerCertificate } from './certificates.js';
import { EventLog } from './event-log.js';
import type { Member } from './introspection.js';
import { HOST, Node } from './node.js';

/** The real server's `CommitTimeout`. */
const COMMIT_TIMEOUT_MS = 2_000;
/** How much later a follower whose acknowledgement was not needed has what was written. */
const REPLICATION_MS = 10;

export interface ClusterOptions {
  readonly size?: number;
  readonly certificate?: ServerCertificate | undefined;
  readonly users?: Users | undefined;
  /** After which a leader that was lost is replaced. Default: not by itself. */
  readonly electionMs?: number;
}

interface Seat {
  readonly node: Node;
  readonly log: EventLog;
  isIsolated: boolean;
  isLagging: boolean;
}

export class Cluster {
  readonly #seats: Seat[] = [];
  readonly #electionMs: number | undefined;
  #leader: number | undefined = 0;
  /** The leader's address as gossip has it, and who was alive when that was last decided. */
  #gossip: { readonly alive: ReadonlySet<number> } = { alive: new Set() };
  #onChange = new Set<() => void>();
  #isClosed = false;

  constructor({ size = 3, certificate, users, electionMs }: ClusterOptions = {}) {
    this.#electionMs = electionMs;
    for (let index = 0; index < size; index++) {
      const log = new EventLog();
      const node = new Node({
        log,
        certificate,
        users,
        hasGate: true,
        members: () => this.#membersAt(index),
        writable: () => this.#writable(index),
      });
      const seat = { node, log, isIsolated: false, isLagging: false };
      log.onAppend(() => this.#replicate(seat));
      this.#seats.push(seat);
    }
    // One history: what each would have written by itself at its start is the first leader's.
    for (const { log } of this.#seats.slice(1)) log.restore(this.log.backup());
    this.#gossip = { alive: new Set(this.#seats.keys()) };
  }

  get nodes(): readonly Node[] {
    return this.#seats.map(({ node }) => node);
  }

  /** The leader's; without one, that which knows most. */
  get log(): EventLog {
    return (this.#seats[this.#leader ?? this.#best()] as Seat).log;
  }

  get leader(): number | undefined {
    return this.#leader;
  }

  logOf = (index: number): EventLog => this.#seat(index).log;

  async start(): Promise<void> {
    await Promise.all(this.nodes.map(node => node.start()));
  }

  /** Makes a node the leader; −1: nobody. What it lacks of the acknowledged it is given first. */
  elect(index: number): void {
    const best = this.#seats[this.#best()];
    this.#leader = index < 0 ? undefined : index;
    if (best && index >= 0) this.#bring(this.#seat(index), best.log);
    this.#gossip = { alive: new Set([...this.#seats.keys()].filter(at => this.#isConnected(at))) };
    this.#changed();
  }

  kill(index: number): void {
    this.#seat(index).node.stop();
    this.#lost(index);
  }

  async revive(index: number): Promise<void> {
    this.#bring(this.#seat(index), this.log);
    await this.#seat(index).node.restart();
    this.#rejoin();
  }

  freeze(index: number): void {
    this.#seat(index).node.freeze();
    this.#lost(index);
  }

  thaw(index: number): void {
    this.#bring(this.#seat(index), this.log);
    this.#seat(index).node.thaw();
    this.#rejoin();
  }

  isolate(index: number): void {
    this.#seat(index).isIsolated = true;
    this.#lost(index);
  }

  rejoin(index: number): void {
    this.#seat(index).isIsolated = false;
    this.#bring(this.#seat(index), this.log);
    this.#rejoin();
  }

  lag(index: number): void {
    this.#seat(index).isLagging = true;
  }

  catchUp(index: number): void {
    this.#seat(index).isLagging = false;
    this.#bring(this.#seat(index), this.log);
    this.#changed();
  }

  /** Every node is what the backup was; all were down for it. */
  async restore(backup: ReturnType<EventLog['backup']>): Promise<void> {
    for (const { node } of this.#seats) node.stop();
    for (const { log } of this.#seats) log.restore(backup);
    await Promise.all(this.nodes.map(node => node.start()));
  }

  close(): void {
    this.#isClosed = true;
    for (const { node } of this.#seats) node.stop();
    this.#changed();
  }

  #seat(index: number): Seat {
    const seat = this.#seats[index];
    if (!seat) throw new RangeError(`no node ${index} in a cluster of ${this.#seats.length}`);
    return seat;
  }

  #isConnected(index: number): boolean {
    const { node, isIsolated } = this.#seat(index);
    return node.isRunning && !node.isFrozen && !isIsolated;
  }

  /** Of the nodes that can be reached, the one that knows most. */
  #best(): number {
    const all = [...this.#seats.keys()];
    const reachable = all.filter(index => this.#isConnected(index));
    const known = (index: number) => this.#seat(index).log.events.length;
    return (reachable.length > 0 ? reachable : all).reduce((a, b) => (known(b) > known(a) ? b : a));
  }

  #majority = () => Math.floor(this.#seats.length / 2) + 1;

  #lost(index: number): void {
    this.#changed();
    if (index !== this.#leader || this.#electionMs === undefined) return;
    setTimeout(() => this.#electAnew(), this.#electionMs).unref();
  }

  #rejoin(): void {
    if (this.#electionMs !== undefined) this.#electAnew();
    else this.#gossip = { alive: new Set([...this.#gossip.alive, ...this.#seats.keys()]) };
    this.#changed();
  }

  #electAnew(): void {
    if (this.#isClosed) return;
    if (this.#leader !== undefined && this.#isConnected(this.#leader) && this.#hasMajority()) {
      this.elect(this.#leader);
      return;
    }
    this.elect(this.#hasMajority() ? this.#best() : -1);
  }

  #hasMajority(): boolean {
    return [...this.#seats.keys()].filter(index => this.#isConnected(index)).length >= this.#majority();
  }

  /** What one node believes. */
  #membersAt(asked: number): readonly Member[] {
    const { isIsolated } = this.#seat(asked);
    return this.#seats.map(({ node }, index) => ({
      host: HOST,
      port: node.port,
      isLeader: index === this.#leader && (!isIsolated || index === asked),
      isAlive: index === asked || (!isIsolated && this.#gossip.alive.has(index)),
    }));
  }

  /** The log to write to, by way of this node; undefined when a majority did not take it in time. */
  async #writable(asked: number): Promise<EventLog | undefined> {
    const deadline = performance.now() + COMMIT_TIMEOUT_MS;
    const find = () => {
      const leader = this.#leader;
      if (leader === undefined || !this.#isConnected(leader) || !this.#isConnected(asked)) return undefined;
      const takers = [...this.#seats.keys()].filter(at => this.#isConnected(at) && !this.#seat(at).isLagging);
      return takers.length >= this.#majority() ? this.#seat(leader).log : undefined;
    };
    for (;;) {
      const log = find();
      if (log) return log;
      const leftMs = deadline - performance.now();
      if (leftMs <= 0 || this.#isClosed) return undefined;
      const over = new AbortController();
      let ring = () => {};
      const changed = new Promise<void>(resolve => {
        ring = resolve;
      });
      this.#onChange.add(ring);
      await Promise.race([
        changed,
        pause(leftMs, undefined, { signal: over.signal, ref: false }).catch(() => undefined),
      ]);
      this.#onChange.delete(ring);
      over.abort();
    }
  }

  #changed(): void {
    for (const ring of this.#onChange) ring();
  }

  /** As many followers as a majority needs have it at once, the others later. */
  #replicate(from: Seat): void {
    if (this.#leader === undefined || this.#seats[this.#leader] !== from) return;
    const takers = this.#seats.filter(
      (seat, index) => seat !== from && this.#isConnected(index) && !seat.isLagging,
    );
    for (const seat of takers.slice(0, this.#majority() - 1)) this.#bring(seat, from.log);
    for (const seat of takers.slice(this.#majority() - 1)) {
      setTimeout(() => {
        const isThere = this.#isConnected(this.#seats.indexOf(seat)) && !seat.isLagging;
        if (isThere && this.log === from.log) this.#bring(seat, from.log);
      }, REPLICATION_MS).unref();
    }
  }

  #bring(seat: Seat, log: EventLog): void {
    if (seat.log !== log) seat.log.replicate(log);
  }
}

export interface TestClusterOptions extends Omit<ClusterOptions, 'certificate'> {
  /** Serves TLS, with a certificate that only its own authority vouches for. */
  readonly tls?: boolean;
}

export async function startTestCluster({ tls = false, ...options }: TestClusterOptions = {}) {
  const certificate = tls ? await createCertificate() : undefined;
  const directory = certificate && (await mkdtemp(join(tmpdir(), 'esdb-test-')));
  const authorityFile = directory && join(directory, 'ca.pem');
  if (certificate && authorityFile) await writeFile(authorityFile, certificate.authority);
  const cluster = new Cluster({ ...options, certificate });
  await cluster.start();
  const query = authorityFile ? `tlsCAFile=${encodeURIComponent(authorityFile)}` : 'tls=false';
  const closeNodes = cluster.close.bind(cluster);
  return Object.assign(cluster, {
    /** `esdb://host:port,host:port,…` */
    url: `esdb://${cluster.nodes.map(({ port }) => `${HOST}:${port}`).join(',')}?${query}`,
    /** `esdb+discover://` by way of one of its nodes. */
    discoverUrl: `esdb+discover://${HOST}:${cluster.nodes[0]?.port}?${query}`,
    close() {
      closeNodes();
      if (directory) rmSync(directory, { recursive: true, force: true });
    },
  });
}

export type TestCluster = Awaited<ReturnType<typeof startTestCluster>>;
