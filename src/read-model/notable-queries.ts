/**
 * The facts that people look for among a million syncs: refusals, condemnations, failures, what operators did. Read from the
 * log where it lies in this database, over an index that holds nothing else (migrations/1764000000034). With an event store
 * of its own the table is empty, and so is what this finds.
 */
import type { Pool } from 'pg';
import { DEFAULT_SCOPE } from '../events/connector.js';
import { epochMs } from './lookup.js';

export const NOTABLE_TYPES = [
  'ConnectorAuthFailed',
  'ConnectorRequestLate',
  'ExchangeUnreachable',
  'ExchangeEdgeMeasured',
  'ConnectorStateInvalidated',
  'ConnectorSyncFailed',
  'WitnessDistrusted',
  'ExpiredStatesCleaned',
] as const;
export type NotableType = (typeof NOTABLE_TYPES)[number];

export const REFUSAL_TYPES = ['ConnectorAuthFailed', 'ConnectorRequestLate'] as const;

export interface NotableQuery {
  /** Epoch ms by the store's clock: recorded at or after this, */
  readonly fromMs: number;
  /** and before this. */
  readonly untilMs: number;
  /** Default: all of {@link NOTABLE_TYPES}. */
  readonly types?: readonly NotableType[] | undefined;
  readonly exchange?: string | undefined;
  readonly environment?: string | undefined;
  readonly scope?: string | undefined;
  readonly userId?: string | undefined;
  readonly limit: number;
}

export interface NotableEvent {
  readonly id: string;
  readonly type: NotableType;
  /** Epoch ms, the store's clock. */
  readonly recordedAt: number;
  readonly host: string;
  /** As it was stored: of any version of its schema. */
  readonly data: Readonly<Record<string, unknown>>;
}

/** Constants, so that the planner sees that the partial index holds them all. */
const listed = (types: readonly NotableType[]) =>
  types
    .filter(type => NOTABLE_TYPES.includes(type))
    .map(type => `'${type}'`)
    .join(', ');

/** The newest first. @throws whatever `pg` throws */
export async function notableEvents(pool: Pool, query: NotableQuery): Promise<NotableEvent[]> {
  const { fromMs, untilMs, types = NOTABLE_TYPES, exchange, environment, scope, userId, limit } = query;
  const { rows } = await pool.query<NotableEvent>(
    `SELECT event_id AS id, type, ${epochMs('recorded_at')} AS "recordedAt", host, data
       FROM connector_event
      WHERE NOT forgettable AND type IN (${listed(types)})
        AND recorded_at >= to_timestamp($1::float8 / 1000) AND recorded_at < to_timestamp($2::float8 / 1000)
        AND ($3::text IS NULL OR data->>'exchange' = $3)
        AND ($4::text IS NULL OR data->>'environment' = $4)
        AND ($5::text IS NULL OR coalesce(data->>'scope', '${DEFAULT_SCOPE}') = $5)
        AND ($6::text IS NULL OR data->>'userId' = $6)
      ORDER BY recorded_at DESC LIMIT $7`,
    [fromMs, untilMs, exchange ?? null, environment ?? null, scope ?? null, userId ?? null, limit],
  );
  return rows;
}
