/**
 * Hears of appends by LISTEN, on a connection of its own that all subscriptions of a store share: it is opened
 * for the first and closed after the last.
 *
 * What it hears is a hint and nothing more. The connection may drop silently, a pooler may swallow it, the server
 * may restart: subscriptions poll anyway, and a hint that is missed costs latency, never an event. So nothing
 * here fails; a lost connection is reported, tried again with growing pauses, and whoever listens is told
 * once when it is back, for what was said in between.
 */
import type { Client } from 'pg';
import { pg } from '../../postgres/driver.js';
import { toStoreError } from './failure.js';
import { createBackoff, sleep } from './waiting.js';

/** How long a server may take to say goodbye before the connection is left to the operating system. */
const GOODBYE_MS = 1_000;
const CONNECT_TIMEOUT_MS = 5_000;

export class AppendListener {
  readonly #connectionString: string;
  readonly #onLoss: (error: Error) => void;
  readonly #listeners = new Set<() => void>();
  #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(connectionString: string, onLoss: (error: Error) => void) {
    this.#connectionString = connectionString;
    this.#onLoss = onLoss;
  }

  /** @returns stops listening; the connection closes with the last one */
  listen(onHint: () => void): () => void {
    this.#listeners.add(onHint);
    if (this.#listeners.size === 1) {
      this.#stop = new AbortController();
      const { signal } = this.#stop;
      this.#running = this.#running.then(() => this.#run(signal));
    }
    return () => {
      if (this.#listeners.delete(onHint) && this.#listeners.size === 0) this.#stop.abort();
    };
  }

  /** Resolves when the connection is closed. */
  async close(): Promise<void> {
    this.#listeners.clear();
    this.#stop.abort();
    await this.#running;
  }

  async #run(signal: AbortSignal): Promise<void> {
    const backoff = createBackoff();
    while (!signal.aborted) {
      try {
        await this.#listenUntilLost(signal, backoff.reset);
      } catch (error) {
        if (!signal.aborted) this.#onLoss(toStoreError(error, 'listen for appends, and polls instead'));
      }
      await sleep(backoff.nextMs(), signal);
    }
  }

  async #listenUntilLost(signal: AbortSignal, onListening: () => void): Promise<void> {
    const client = new pg.Client({
      connectionString: this.#connectionString,
      application_name: 'connector-state listener',
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
    });
    const finished = new AbortController();
    const over = new Promise<void>((resolve, reject) => {
      client.on('error', reject);
      client.on('end', () => reject(new Error('the connection ended')));
      signal.addEventListener('abort', () => resolve(), { once: true, signal: finished.signal });
    });
    over.catch(() => undefined);
    client.on('notification', () => this.#tell());
    try {
      await Promise.race([client.connect().then(() => client.query('LISTEN connector_event')), over]);
      if (signal.aborted) return;
      onListening();
      this.#tell();
      await over;
    } finally {
      finished.abort();
      await sayGoodbye(client);
    }
  }

  #tell(): void {
    for (const onHint of this.#listeners) onHint();
  }
}

async function sayGoodbye(client: Client): Promise<void> {
  const done = new AbortController();
  const ended = client.end().then(
    () => done.abort(),
    () => done.abort(),
  );
  await Promise.race([ended, sleep(GOODBYE_MS, done.signal)]);
}
