/** What is asked of a series over time: from when to when, in buckets of what length, of whom; and as the series' SQL takes it. */
import type { Environment, Exchange } from '../events/connector.js';

export interface SeriesQuery {
  /** Epoch ms, by the database's clock; both inclusive of the buckets they lie in. */
  readonly fromMs: number;
  readonly untilMs: number;
  readonly bucketMs: number;
  readonly exchange?: Exchange | undefined;
  readonly environment?: Environment | undefined;
  readonly scope?: string | undefined;
  /** A machine's name. */
  readonly host?: string | undefined;
  /** A line a machine; otherwise all machines together. */
  readonly byHost: boolean;
  readonly limit: number;
}

/** $1 to $9: from (a bucket's start), until, bucket, exchange, environment, scope, host, by host, limit. */
export function parametersOf(query: SeriesQuery): unknown[] {
  const { fromMs, untilMs, bucketMs, byHost, limit } = query;
  const { exchange = null, environment = null, scope = null, host = null } = query;
  const from = Math.floor(fromMs / bucketMs) * bucketMs;
  return [from, untilMs, bucketMs, exchange, environment, scope, host, byHost, limit];
}

/** The rows of one time column that the parameters ask for; the machine, which not every table has, is {@link OF_MACHINE}. */
export const rowsAsked = (time: string) =>
  `${time} >= to_timestamp($1::float8 / 1000) AND ${time} <= to_timestamp($2::float8 / 1000)
     AND ($4::text IS NULL OR exchange = $4) AND ($5::text IS NULL OR environment = $5) AND ($6::text IS NULL OR scope = $6)`;
export const OF_MACHINE = '($7::text IS NULL OR machine = $7)';
