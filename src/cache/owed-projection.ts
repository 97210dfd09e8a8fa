/**
 * What a process that projects by itself (`PROJECTION=inline`) still owes: events that it stored and has not seen in the
 * read tables. Whoever flushed is told why, and the debt stays until a later flush pays it, also one that stores
 * nothing itself: nobody else may be looking at those events.
 */
import { isConnectorStateError } from '../base/errors.js';
import type { Logger } from '../base/logging.js';
import type { AppendOptions } from '../event-store/event-store.js';
import type { NewEvent, Position } from '../events/event.js';

/** Brings the read tables to `position`. @throws when they did not come that far */
export type Project = (position: Position, stored: readonly NewEvent[]) => Promise<void>;

/** Projecting that begins with the append of the events. */
export interface ProjectAlong {
  /** Behind the append (`AppendOptions.behind`), if it is called. */
  readonly send: NonNullable<AppendOptions['behind']>;
  /** The rest of it. */
  readonly project: Project;
}

export class OwedProjection {
  readonly #project: Project | undefined;
  readonly #log: Logger;
  #position: Position | undefined;
  #stored: readonly NewEvent[] = [];
  /** Instead of the usual, where it has begun. */
  #begun: Project | undefined;
  /** Why it failed last, which is said once. */
  #told: string | undefined;

  /** @param project left out where somebody else projects */
  constructor(project: Project | undefined, log: Logger) {
    this.#project = project;
    this.#log = log;
  }

  /**
   * @param stored the events last stored, up to `position`
   * @param begun goes on with what was sent along with them
   */
  owe(position: Position, stored: readonly NewEvent[], begun?: Project): void {
    if (!this.#project) return;
    this.#position = position;
    this.#stored = stored;
    this.#begun = begun;
  }

  /** @returns why something is still owed, as a sentence; `undefined` when nothing is. Never throws. */
  async pay(): Promise<string | undefined> {
    const position = this.#position;
    if (position === undefined) return undefined;
    try {
      await (this.#begun ?? this.#project)?.(position, this.#stored);
      this.#position = undefined;
      this.#told = undefined;
      return undefined;
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (message === this.#told) return message;
      this.#told = message;
      // What must be decided or upgraded first does not pass by itself, and nobody else may be looking.
      if (isConnectorStateError(error, 'PROJECTION_FAILED')) {
        this.#log.error({ error: message }, 'facts are stored, and are not projected');
      } else {
        this.#log.warn(
          { error: message },
          'stored facts could not be projected now; the next flush tries again',
        );
      }
      return message;
    } finally {
      this.#stored = [];
      this.#begun = undefined;
    }
  }
}
