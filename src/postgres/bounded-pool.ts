/**
 * A pool that never has more connections on the server than it may, whatever happens there (promise 15).
 *
 * `pg`'s own pool frees a place the moment a connection is given up. But a server that waits for a lock, or stands still,
 * does not notice that its client has left, and the replacement is one process more: with one place and a table
 * locked by another session eight were counted after 25 seconds, and they stayed after the pool's end. Here a place is
 * free when the server has let go of it:
 *
 *   released ─ healthy ─────────────────→ idle
 *            ├ failed, nothing under way → goodbye ───────────────────────────────→ the server closed it → free
 *            └ a statement is under way ─→ cancelled over one more connection ──→ it ended → goodbye → …
 *                                              ↑ not yet, and the server says │
 *                                              └ that it works on it ─────────┴→ it knows nothing of it → cut → free
 *
 * A server that does not even answer that question for {@link GIVE_UP_MS} stands still, or the network swallows
 * everything. Then the place is freed without proof, or a failover would leave a pool without connections until TCP
 * gives up, which takes a quarter of an hour.
 *
 * Cancelling and asking take one connection at a time for the whole pool: at most `max` + 1 in all.
 *
 * Nor does it hand out a connection that has idled for longer than it may. `pg` leaves that to timers, which do not run
 * while a function is frozen: it thaws with connections that the server or a NAT gave up minutes ago, and the request that
 * woke it would be answered by each of them with a reset, or by nothing until its deadline (decision 75).
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { PoolClient, PoolConfig, Pool as PoolType } from 'pg';
import { type DriverClient, hearsFrom, isAtWork, requestCancel } from './cancel.js';
import { pg } from './driver.js';

const ASK_TIMEOUT_MS = 2_000;
/** A statement ends some milliseconds after it was told to. */
const END_GRACE_MS = 500;
const GIVE_UP_MS = 60_000;
/** A server that is there closes a connection within a round trip of the goodbye. */
const GOODBYE_MS = 1_000;

export interface BoundedPool extends PoolType {
  /** Cuts every connection, in the middle of whatever it does; for after `end()`, when a server does not answer. */
  destroy(): void;
  /** Whether the server says anything at all, asked over one more connection, so that a busy pool is no silence. */
  answers(withinMs: number): Promise<boolean>;
}

/** What `pg-pool` does and does not declare. */
interface PoolInternals {
  _clients: object[];
  _idle: { client: DriverClient }[];
  _release(client: DriverClient, idleListener: () => void, failure?: unknown): void;
  _remove(client: DriverClient, callback?: () => void): void;
  _pulseQueue(): void;
  newClient(waiting: Waiting): void;
}

/** Who asked for a connection. */
interface Waiting {
  callback(error: unknown, client: undefined, release: () => void): void;
}

const Base = pg.Pool as unknown as new (config: PoolConfig) => PoolType & PoolInternals;

class ServerBoundedPool extends Base implements BoundedPool {
  #asking: Promise<void> = Promise.resolve();
  readonly #open = new Set<DriverClient>();
  #destroyed = false;
  /** When each was released last, by both clocks: a freeze may stop the monotonic one, and the wall clock may be set. */
  readonly #releasedAt = new WeakMap<DriverClient, readonly number[]>();
  readonly #clocks: () => readonly number[];

  constructor(config: PoolConfig, wall: () => number) {
    super(config);
    this.#clocks = () => [wall(), performance.now()];
    this.on('connect', client => {
      const opened = client as unknown as DriverClient;
      this.#open.add(opened);
      client.once('end', () => this.#open.delete(opened));
    });
  }

  override _release(client: DriverClient, idleListener: () => void, failure?: unknown): void {
    const release = () => {
      this.#releasedAt.set(client, this.#clocks());
      super._release(client, idleListener, failure);
    };
    if (failure && !client.readyForQuery) void this.#endStatement(client).then(release);
    else release();
  }

  override _pulseQueue(): void {
    for (const { client } of this.ending ? [] : [...this._idle]) {
      if (this.#idledForMs(client) > (this.options.idleTimeoutMillis ?? Infinity)) this._remove(client);
    }
    super._pulseQueue();
  }

  /** Making one may fail (it opens the certificate files that the URL names): then whoever waits for it hears of that. */
  override newClient(waiting: Waiting): void {
    try {
      super.newClient(waiting);
    } catch (error) {
      waiting.callback(error, undefined, () => undefined);
    }
  }

  /** Its place stays taken until the server has closed the connection. */
  override _remove(client: DriverClient, callback?: () => void): void {
    const place = {};
    this._clients.push(place);
    // An idle connection keeps no process alive, but who waits for the pool's end waits for it to go.
    if (this.ending) client.ref();
    else if (this._idle.some(idle => idle.client === client)) this.#letGo(client, place);
    super._remove(client, () => {
      this.#free(place);
      // Without one it is the pool's end that removes, and waits for the last to go.
      if (callback) callback();
      else this._pulseQueue();
    });
  }

  /**
   * In a network that forgot an idle connection nobody hears the goodbye. So whoever waits has its place before it is certain
   * that it is gone, as the one connection more, and what is not closed in time is cut.
   */
  #letGo({ connection: { stream } }: DriverClient, place: object): void {
    // Told of by its own 'close' it will say so no more, and all who ask over one more connection would wait behind it.
    const gone = stream.closed
      ? Promise.resolve()
      : new Promise<void>(resolve => stream.once('close', resolve));
    setTimeout(() => stream.destroy(), GOODBYE_MS).unref();
    void this.#overOneMore(() => {
      this.#free(place);
      this._pulseQueue();
      return gone;
    });
  }

  #free(place: object): void {
    this._clients = this._clients.filter(taken => taken !== place);
  }

  #idledForMs(client: DriverClient): number {
    const since = this.#releasedAt.get(client) ?? [];
    return Math.max(0, ...this.#clocks().map((now, i) => now - (since[i] ?? now)));
  }

  destroy(): void {
    this.#destroyed = true;
    const opening = this._clients.filter(client => 'connection' in client) as DriverClient[];
    for (const { connection } of [...this.#open, ...opening]) connection.stream.destroy();
  }

  async answers(withinMs: number): Promise<boolean> {
    let isHeard = false;
    const asked = this.#overOneMore(async () => {
      isHeard = await hearsFrom(this.options, withinMs);
    });
    await Promise.race([asked, delay(withinMs, undefined, { ref: false })]);
    return isHeard;
  }

  /** Resolves when the server is done with the statement, or cannot be asked. */
  async #endStatement(client: DriverClient): Promise<void> {
    // A refusal and "ready for the next" arrive together, and pg hands on the first before it reads the second.
    await new Promise(setImmediate);
    if (client.readyForQuery) return;
    // Cut in the middle of a statement (pg does so when its own timeout ends one): the server may not have noticed.
    if (!isBusy(client)) return this.#overOneMore(() => requestCancel(client, ASK_TIMEOUT_MS));
    const startedMs = performance.now();
    const ended = new Promise<void>(resolve => {
      client.once('drain', resolve).once('end', resolve);
    });
    const goesOn = () => isBusy(client) && !this.#destroyed;
    /** To the server: it answers, and has no such statement under way. */
    let isUnknown = false;
    while (goesOn() && !isUnknown && performance.now() - startedMs < GIVE_UP_MS) {
      await this.#overOneMore(async () => {
        if (goesOn()) await requestCancel(client, ASK_TIMEOUT_MS);
      });
      await Promise.race([ended, delay(END_GRACE_MS, undefined, { ref: false })]);
      await this.#overOneMore(async () => {
        if (goesOn()) isUnknown = (await isAtWork(client, ASK_TIMEOUT_MS)) === false;
      });
    }
    // Its goodbye would wait for the answers.
    if (isBusy(client)) client.connection.stream.destroy();
  }

  /** One connection at a time beside the pool's own. */
  #overOneMore(ask: () => Promise<void>): Promise<void> {
    this.#asking = this.#asking.then(ask);
    return this.#asking;
  }
}

/** Connected, and the server has not said that it is ready for the next statement. */
const isBusy = (client: DriverClient): boolean =>
  client._queryable && !client._ended && !client.readyForQuery;

/** @param wall this host's wall clock */
export const createBoundedPool = (config: PoolConfig, wall: () => number = Date.now): BoundedPool =>
  new ServerBoundedPool(config, wall);

/** Of a pool that may be another one, and is then taken to answer. */
export const isAnswering = async (pool: PoolType, withinMs: number): Promise<boolean> =>
  !(pool instanceof ServerBoundedPool) || pool.answers(withinMs);

/** Of a pool that may be another one. */
export const destroyPool = (pool: PoolType): void => {
  if (pool instanceof ServerBoundedPool) pool.destroy();
};

export type { PoolClient };
