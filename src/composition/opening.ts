/**
 * How a process comes to its database.
 *
 *   connect ──► ask whether the tables are there ──yes──► over
 *      │              │                └──────────no───► make them (AUTO_MIGRATE) ──► over
 *      │              └ lookups go along, in the same wait (read-model/first-connection.ts)
 *      └ no answer within {@link START_DEADLINE_MS}, or a refusal: said once; a refusal is tried again by whoever needs the tables
 *
 * Who may make the tables has them when `createConnectorState` resolves: a new user reads them next, by whatever means. Who
 * may not (AUTO_MIGRATE=false, as in production) waits for the connection alone: over a link of 5 ms to the database each
 * further wait is 5 ms of a cold start. It is the first lookup then that is told when the tables are not there. Lookups
 * made while they are being made wait until they are there, as nothing else can be done without them. A process's own
 * embedded server is waited for to the end, for there the wait costs nothing, and what cannot work is to be thrown.
 */
import type { Pool } from 'pg';
import { withDeadline } from '../base/deadline.js';
import { lazy } from '../base/lazy.js';
import type { Logger } from '../base/logging.js';
import type { GuardedLookup } from '../cache/guarded-lookup.js';
import type { HostClock } from '../clock/host-clock.js';
import { reasonOf } from '../postgres/database-error.js';
import { toDatabaseError } from '../postgres/pool.js';
import { type FirstConnection, openFirstConnection } from '../read-model/first-connection.js';

/** How long the start waits for the database before it goes on without. */
const START_DEADLINE_MS = 1_000;

export interface OpeningParts {
  readonly pool: Pool;
  readonly clock: HostClock;
  readonly namedStatements: boolean;
  readonly log: Logger;
  /** @throws ConnectorStateError also when that is not allowed */
  readonly makeTables: () => Promise<void>;
}

const nothing = () => undefined;

type Lookups = Pick<GuardedLookup['batcher'], 'lookup'>;

export class Opening {
  readonly #parts: OpeningParts;
  readonly #checked = lazy(() => this.#check());
  readonly #migrated = lazy(() => this.#migrate());
  #first: FirstConnection | undefined;
  #over: Promise<void> | undefined;
  #isOver = false;
  #sayConnected: () => void = nothing;
  readonly #connected = new Promise<void>(resolve => {
    this.#sayConnected = resolve;
  });

  constructor(parts: OpeningParts) {
    this.#parts = parts;
  }

  /**
   * @param waitsFor `connection`: what the tables are is still being asked; `tables`: that they are there, or cannot be now;
   *   `success`: as `tables`, and what goes wrong is thrown
   * @throws ConnectorStateError only with `success`
   */
  async begin(waitsFor: 'connection' | 'tables' | 'success'): Promise<void> {
    const made = this.#migrated.get();
    this.#over = made.then(nothing, nothing).finally(() => {
      this.#isOver = true;
    });
    if (waitsFor === 'success') {
      return made.catch(error => {
        throw toDatabaseError(error);
      });
    }
    const answered = withDeadline(this.#checked.get(), START_DEADLINE_MS, () => {
      throw new Error(`no answer within ${START_DEADLINE_MS} ms`);
    });
    const told = answered
      .then(() => made)
      .catch(error =>
        this.#parts.log.warn(
          { problem: toDatabaseError(error).message },
          'starting without the database: connectors initialise, more slowly, and facts wait',
        ),
      );
    await (waitsFor === 'tables' ? told : Promise.race([this.#connected, told]));
  }

  /** Resolves when all has been answered and done that was begun. Never rejects, and is at once when nothing was. */
  async over(): Promise<void> {
    if (!this.#isOver) await this.#over;
  }

  /** Resolves when the tables are there. @throws ConnectorStateError */
  readonly migrated = (): Promise<void> => this.#migrated.get();

  /** A lookup in the same wait as the first questions; `undefined` when these are over. */
  readonly ride: FirstConnection['ride'] = (keys, signal) => this.#first?.ride(keys, signal);

  /** Lookups that wait, beyond their deadline, for tables that are being made; once. */
  patient(batcher: Lookups): Lookups {
    return {
      lookup: async key => {
        if (this.#isOver) return batcher.lookup(key);
        try {
          return await batcher.lookup(key);
        } catch (error) {
          if (reasonOf(error) !== 'not-migrated') throw error;
          await this.over();
          return batcher.lookup(key);
        }
      },
    };
  }

  /** @returns whether the tables are those of this release @throws ConnectorStateError */
  async #check(): Promise<boolean> {
    try {
      this.#first = await openFirstConnection(this.#parts.pool, this.#parts);
      this.#sayConnected();
      return await this.#first.isMigrated;
    } catch (error) {
      throw toDatabaseError(error);
    }
  }

  async #migrate(): Promise<void> {
    // Somebody may have made since what was missing at the start.
    if ((await this.#checked.get()) || (await this.#check())) return;
    await this.#parts.makeTables();
    // What was rehearsed failed for want of them.
    await this.#check();
  }
}
