/** Tables that a fold from the first event would mend, and nothing else has to be decided first. */
import { ConnectorStateError } from '../base/errors.js';

/** Thrown by who goes on from checkpoints; caught by who may make the tables anew (make-current.ts). */
export class OutdatedTables extends ConnectorStateError {
  constructor(message: string) {
    super('PROJECTION_FAILED', message);
  }
}
