/**
 * The log that is read is not the one that was read before: the event that a reader remembers does not lie where it
 * lay. Reading on would apply what is there to rows that came from something else, so a reader stops. A store only
 * says that it is so; what happened to the log and what to do is told by who knows the tables (projector/continuity.ts).
 */
import { ConnectorStateError } from '../base/errors.js';
import type { EventAt } from './event-store.js';

export class LogChangedError extends ConnectorStateError {
  readonly remembered: EventAt;

  constructor(remembered: EventAt) {
    super(
      'PROJECTION_FAILED',
      `the event store has no event ${remembered.id} at ${remembered.position} any more: it is another log, or an older state of it`,
    );
    this.remembered = remembered;
  }
}
