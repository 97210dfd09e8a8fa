/** Facts as the recorder would make them, about connectors that no other test knows. */
import type { NewEvent } from '../../src/events/event.js';
import { newEventId } from '../../src/events/ids.js';
import { hitsStreamOf, stateStreamOf } from '../../src/events/streams.js';

export interface SampleConnector {
  readonly ref: { readonly userId: string; readonly credentialId: string };
  readonly stateStream: string;
  readonly hitsStream: string;
  /** A ConnectorSyncFailed in the state stream. */
  fact(overrides?: Partial<NewEvent>): NewEvent;
  /** A ConnectorStateHit in the hits stream. */
  hit(overrides?: Partial<NewEvent>): NewEvent;
}

const SOME_TIME_MS = 1_764_000_000_123;

export function sampleConnector(): SampleConnector {
  const ref = { userId: `user-${newEventId()}`, credentialId: 'cred_1' };
  const envelope = () => ({ id: newEventId(), occurredAt: SOME_TIME_MS, host: 'test/1' });
  const connector = { ...ref, exchange: 'BYBIT', environment: 'MAINNET' } as const;
  const stateStream = stateStreamOf(ref);
  const hitsStream = hitsStreamOf(ref);
  return {
    ref,
    stateStream,
    hitsStream,
    fact: overrides =>
      ({
        ...envelope(),
        stream: stateStream,
        type: 'ConnectorSyncFailed',
        data: { ...connector, trigger: 'absent', failureClass: 'timeout', durationMs: 12.5 },
        ...overrides,
      }) as NewEvent,
    hit: overrides =>
      ({
        ...envelope(),
        stream: hitsStream,
        type: 'ConnectorStateHit',
        data: { ...connector, tier: 'memory', count: 3, firstAt: SOME_TIME_MS, lastAt: SOME_TIME_MS + 5 },
        ...overrides,
      }) as NewEvent,
  };
}

/** `count` events made by `make`. */
export const many = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index));
