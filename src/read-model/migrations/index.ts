/**
 * Every migration, oldest first. Forward only: what was released is never changed, the next one corrects it.
 */
import type { MigrationInterface } from 'typeorm';
import { EventStore1764000000001 } from './1764000000001-event-store.js';
import { ReadTables1764000000002 } from './1764000000002-read-tables.js';
import { Outbox1764000000003 } from './1764000000003-outbox.js';
import { ClockDrift1764000000004 } from './1764000000004-clock-drift.js';
import { DriftHistory1764000000005 } from './1764000000005-drift-history.js';
import { ShadowOutcome1764000000006 } from './1764000000006-shadow-outcome.js';
import { StaleHits1764000000007 } from './1764000000007-stale-hits.js';
import { ClockScope1764000000008 } from './1764000000008-clock-scope.js';
import { LogMark1764000000010 } from './1764000000010-log-mark.js';
import { ReadTablesHealed1764000000011 } from './1764000000011-read-tables-healed.js';
import { AnyPostgres1764000000012 } from './1764000000012-any-postgres.js';
import { AppendTogether1764000000017 } from './1764000000017-append-together.js';
import { WitnessLogin1764000000019 } from './1764000000019-witness-login.js';
import { ForgetHits1764000000021 } from './1764000000021-forget-hits.js';
import { LateAndUnreachable1764000000022 } from './1764000000022-late-and-unreachable.js';
import { ApiKeys1764000000030 } from './1764000000030-api-keys.js';
import { LookingBack1764000000034 } from './1764000000034-looking-back.js';
import { ReplicaLink1764000000050 } from './1764000000050-replica-link.js';
import { UsageForecast1764000000055 } from './1764000000055-usage-forecast.js';
import { UsageModel1764000000056 } from './1764000000056-usage-model.js';
import { DeadLetterOfWhom1764000000062 } from './1764000000062-dead-letter-of-whom.js';
import { IdIndex1764000000071 } from './1764000000071-id-index.js';
import { ForgetHitsFaster1764000000072 } from './1764000000072-forget-hits-faster.js';
import { UsageByHost1764000000073 } from './1764000000073-usage-by-host.js';
import { Tenants1764000000074 } from './1764000000074-tenants.js';
import { PositionsGoOn1764000000077 } from './1764000000077-positions-go-on.js';
import { OwnersEventsUnchecked1764000000078 } from './1764000000078-owners-events-unchecked.js';

export const migrations: readonly (new () => MigrationInterface)[] = [
  EventStore1764000000001,
  ReadTables1764000000002,
  Outbox1764000000003,
  ClockDrift1764000000004,
  DriftHistory1764000000005,
  ShadowOutcome1764000000006,
  StaleHits1764000000007,
  ClockScope1764000000008,
  LogMark1764000000010,
  ReadTablesHealed1764000000011,
  AnyPostgres1764000000012,
  AppendTogether1764000000017,
  WitnessLogin1764000000019,
  ForgetHits1764000000021,
  LateAndUnreachable1764000000022,
  ApiKeys1764000000030,
  LookingBack1764000000034,
  ReplicaLink1764000000050,
  UsageForecast1764000000055,
  UsageModel1764000000056,
  DeadLetterOfWhom1764000000062,
  IdIndex1764000000071,
  ForgetHitsFaster1764000000072,
  UsageByHost1764000000073,
  Tenants1764000000074,
  PositionsGoOn1764000000077,
  OwnersEventsUnchecked1764000000078,
];
