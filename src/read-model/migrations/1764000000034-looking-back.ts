/**
 * A way to find the facts that people look for: refusals, condemnations, failures, what operators did. Of a million facts
 * nearly all are syncs, which this index leaves out, so that it costs an append of those nothing.
 */
import type { MigrationInterface, QueryRunner } from 'typeorm';

/** As src/read-model/notable-queries.ts asks for them. */
const NOTABLE_TYPES = [
  'ConnectorAuthFailed',
  'ConnectorRequestLate',
  'ExchangeUnreachable',
  'ExchangeEdgeMeasured',
  'ConnectorStateInvalidated',
  'ConnectorSyncFailed',
  'WitnessDistrusted',
  'ExpiredStatesCleaned',
] as const;

const INDEXES = `
CREATE INDEX connector_event_notable_idx ON connector_event_kept (recorded_at DESC)
 WHERE type IN (${NOTABLE_TYPES.map(type => `'${type}'`).join(', ')});
`;

export class LookingBack1764000000034 implements MigrationInterface {
  readonly name = 'LookingBack1764000000034';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(INDEXES);
  }

  async down(): Promise<void> {
    throw new Error('migrations go forward only: restore a backup to go back');
  }
}
