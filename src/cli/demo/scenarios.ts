/**
 * The demo's scenarios, in order: each runs the same book of twenty connectors in a new process, and each
 * finds what the one before left behind in the database and in the exchanges' clocks.
 */

import type { Logger } from '../../base/logging.js';
import type { ExchangeSimulator } from '../../exchanges/simulator/index.js';
import { pg } from '../../postgres/driver.js';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../postgres/embedded/index.js';

export type ScenarioName = 'uncached' | 'cold' | 'warm' | 'warm-parallel' | 'clock-step' | 'database-down';

export interface Scenario {
  readonly name: ScenarioName;
  readonly title: string;
  readonly cached: boolean;
  readonly concurrency: number;
  before?(stage: Stage): Promise<void>;
  after?(stage: Stage): Promise<void>;
}

/** What scenarios change between runs. */
export interface Stage {
  readonly simulator: ExchangeSimulator;
  readonly database: DemoDatabase;
}

/** Back, because forward the window has five seconds of room: only a clock that is ahead is refused at once. */
const STEP_MS = -3_000;

export const SCENARIOS: readonly Scenario[] = [
  { name: 'uncached', title: 'as today: no cache, one after the other', cached: false, concurrency: 1 },
  { name: 'cold', title: 'empty cache, one after the other', cached: true, concurrency: 1 },
  { name: 'warm', title: 'new process, one after the other', cached: true, concurrency: 1 },
  { name: 'warm-parallel', title: 'new process, all at once', cached: true, concurrency: 20 },
  {
    name: 'clock-step',
    title: "new process, exchanges' clocks stepped back by 3 s",
    cached: true,
    concurrency: 1,
    before: async ({ simulator }) => simulator.step(STEP_MS),
  },
  {
    name: 'database-down',
    title: 'new process, database stopped',
    cached: true,
    concurrency: 1,
    before: ({ database }) => database.stop(),
    after: ({ database }) => database.start(),
  },
];

/** An embedded database of the demo's own, emptied at the start, so that `cold` is cold. */
export class DemoDatabase {
  readonly #dataDir: string;
  readonly #log: Logger;
  #server: EmbeddedPostgres | undefined;
  #url = '';

  constructor(dataDir: string, log: Logger) {
    this.#dataDir = dataDir;
    this.#log = log;
  }

  /** Also while it is stopped: then nobody answers there. */
  get url(): string {
    return this.#url;
  }

  async start(): Promise<void> {
    this.#server = await startEmbeddedPostgres({
      dataDir: this.#dataDir,
      log: message => this.#log.info({}, message),
    });
    this.#url = this.#server.url;
  }

  async empty(): Promise<void> {
    const client = new pg.Client({ connectionString: this.#url });
    await client.connect();
    try {
      await client.query('DROP SCHEMA public CASCADE; CREATE SCHEMA public');
    } finally {
      await client.end();
    }
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    await server?.stop();
  }
}
