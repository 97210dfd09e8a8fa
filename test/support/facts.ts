/** Events for tests: each a valid fact with sensible figures, of which a test states only what it is about. */
import { randomUUID } from 'node:crypto';
import type { EventData } from '../../src/events/catalogue.js';
import type { ConnectorRef } from '../../src/events/connector.js';
import type { KnownEvent, NewEvent, Position } from '../../src/events/event.js';
import { CLEANUP_STREAM, hitsStreamOf, stateStreamOf, WITNESS_STREAM } from '../../src/events/streams.js';

export const DATABASE_CLOCK = 'pg:1:1';
export const HOST_CLOCK = 'host:a/1';
/** 2025-10-09T08:53:20Z */
export const T0 = 1_760_000_000_000;
export const MINUTE_MS = 60_000;

export const connector: ConnectorRef = {
  userId: 'user123',
  credentialId: 'cred456',
  exchange: 'BYBIT',
  environment: 'MAINNET',
};

/** A readable UUID: `id(7)` is always the same one. */
export const id = (n: number): string => `00000000-0000-7000-8000-${String(n).padStart(12, '0')}`;

type Of<T extends keyof EventData> = Partial<EventData[T]> & {
  readonly id?: string;
  readonly occurredAt?: number;
};

function envelope(stream: string, given: { id?: string; occurredAt?: number }) {
  return { id: given.id ?? randomUUID(), stream, occurredAt: given.occurredAt ?? T0, host: 'test-host/1' };
}

function split<T extends object>(given: T) {
  const { id: _id, occurredAt: _occurredAt, ...data } = given as T & { id?: string; occurredAt?: number };
  return data;
}

export function synced(given: Of<'ConnectorSynced'> = {}): NewEvent {
  const data: EventData['ConnectorSynced'] = {
    ...connector,
    syncId: randomUUID(),
    basis: 'measured',
    trigger: 'absent',
    offsetMs: 145.5,
    uncertaintyMs: 20.25,
    roundTripMs: 40.5,
    samples: 3,
    referenceClock: DATABASE_CLOCK,
    measuredAt: T0,
    ttlMs: 15 * MINUTE_MS,
    ttlPolicy: 'fixed',
    ttlInputs: { ttlMs: 15 * MINUTE_MS },
    ...split(given),
  };
  return { ...envelope(stateStreamOf(data), given), type: 'ConnectorSynced', data };
}

export function syncFailed(given: Of<'ConnectorSyncFailed'> = {}): NewEvent {
  const data: EventData['ConnectorSyncFailed'] = {
    ...connector,
    trigger: 'expired',
    failureClass: 'timeout',
    durationMs: 5_000,
    ...split(given),
  };
  return { ...envelope(stateStreamOf(data), given), type: 'ConnectorSyncFailed', data };
}

export function hit(given: Of<'ConnectorStateHit'> = {}): NewEvent {
  const data: EventData['ConnectorStateHit'] = {
    ...connector,
    tier: 'postgres',
    count: 1,
    firstAt: T0,
    lastAt: T0,
    ...split(given),
  };
  return { ...envelope(hitsStreamOf(data), given), type: 'ConnectorStateHit', data };
}

export function authFailed(given: Of<'ConnectorAuthFailed'> = {}): NewEvent {
  const data: EventData['ConnectorAuthFailed'] = {
    ...connector,
    exchangeCode: '10002',
    failureClass: 'timestamp',
    ...split(given),
  };
  return { ...envelope(stateStreamOf(data), given), type: 'ConnectorAuthFailed', data };
}

export function requestLate(given: Of<'ConnectorRequestLate'> = {}): NewEvent {
  const data: EventData['ConnectorRequestLate'] = {
    ...connector,
    exchangeCode: '10002',
    timestampMs: T0,
    recvWindowMs: 5_000,
    lateAtLeastMs: 6_000,
    lateAtMostMs: 6_100,
    uncertaintyMs: 5,
    ...split(given),
  };
  return { ...envelope(stateStreamOf(data), given), type: 'ConnectorRequestLate', data };
}

export function unreachable(given: Of<'ExchangeUnreachable'> = {}): NewEvent {
  const data: EventData['ExchangeUnreachable'] = {
    ...connector,
    exchangeCode: 'HTTP 503',
    failureClass: 'maintenance',
    ...split(given),
  };
  return { ...envelope(stateStreamOf(data), given), type: 'ExchangeUnreachable', data };
}

export function invalidated(given: Of<'ConnectorStateInvalidated'> = {}): NewEvent {
  const data: EventData['ConnectorStateInvalidated'] = {
    ...connector,
    reason: 'timestamp-refused',
    by: 'connector',
    condemnedSyncId: randomUUID(),
    condemnedMeasuredAt: T0,
    referenceClock: DATABASE_CLOCK,
    ...split(given),
  };
  return { ...envelope(stateStreamOf(data), given), type: 'ConnectorStateInvalidated', data };
}

export function shadowed(given: Of<'ConnectorShadowed'> = {}): NewEvent {
  const data: EventData['ConnectorShadowed'] = {
    ...connector,
    contact: 'state',
    tier: 'postgres',
    lookupMs: 1.5,
    toleranceMs: 2_000,
    used: { syncId: randomUUID(), offsetMs: 146, uncertaintyMs: 25, ageMs: MINUTE_MS },
    measured: { at: T0, offsetMs: 145.5, uncertaintyMs: 20.25, roundTripMs: 40.5 },
    comparison: { errorMs: 0.5, refusal: 'no' },
    ...split(given),
  };
  return { ...envelope(hitsStreamOf(data), given), type: 'ConnectorShadowed', data };
}

export function cleaned(given: Of<'ExpiredStatesCleaned'> = {}): NewEvent {
  const data: EventData['ExpiredStatesCleaned'] = { cutoff: T0, by: 'test', ...split(given) };
  return { ...envelope(CLEANUP_STREAM, given), type: 'ExpiredStatesCleaned', data };
}

export function distrusted(given: Of<'WitnessDistrusted'> = {}): NewEvent {
  const data: EventData['WitnessDistrusted'] = {
    exchange: 'BYBIT',
    environment: 'MAINNET',
    referenceClock: DATABASE_CLOCK,
    host: 'test-host',
    by: 'test',
    ...split(given),
  };
  return { ...envelope(WITNESS_STREAM, given), type: 'WitnessDistrusted', data };
}

/** As a store would give them back, one millisecond apart. */
export function stored(events: readonly NewEvent[], recordedAt: number = T0): KnownEvent[] {
  const versions = new Map<string, number>();
  return events.map((event, index) => {
    const version = (versions.get(event.stream) ?? 0) + 1;
    versions.set(event.stream, version);
    const position = `test/${index + 1}` as Position;
    return { ...event, version, position, schemaVersion: 1, recordedAt: recordedAt + index };
  });
}
