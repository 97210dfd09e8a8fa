import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { EVENT_SCHEMAS, type EventType, SCHEMA_VERSIONS } from '../../src/events/catalogue.js';
import { decodeEvent, type RawEvent, validateNewEvent } from '../../src/events/decode.js';
import type { NewEvent, Position } from '../../src/events/event.js';
import { newEventId } from '../../src/events/ids.js';

const AT = 1_764_000_000_000;
const connector = { userId: 'u', credentialId: 'c', exchange: 'BYBIT', environment: 'MAINNET' };
const SYNC_ID = newEventId();

/** A valid example of each type. */
const EXAMPLES: Record<EventType, Record<string, unknown>> = {
  ConnectorSynced: {
    ...connector,
    syncId: SYNC_ID,
    basis: 'measured',
    trigger: 'absent',
    offsetMs: -12.25,
    uncertaintyMs: 31.5,
    roundTripMs: 62,
    samples: 3,
    referenceClock: 'pg:1',
    measuredAt: AT,
    ttlMs: 900_000,
    ttlPolicy: 'fixed',
    ttlInputs: { ttlMs: 900_000 },
  },
  ConnectorSyncFailed: { ...connector, trigger: 'expired', failureClass: 'timeout', durationMs: 1500 },
  ConnectorStateHit: { ...connector, tier: 'postgres', count: 1, firstAt: AT, lastAt: AT },
  ConnectorAuthFailed: { ...connector, exchangeCode: '10002', failureClass: 'timestamp', offsetMs: 3_000 },
  ConnectorRequestLate: {
    ...connector,
    exchangeCode: '10002',
    timestampMs: 1_764_000_000_000,
    recvWindowMs: 5_000,
    lateAtLeastMs: 6_100.5,
    lateAtMostMs: 6_110,
    uncertaintyMs: 5,
  },
  ExchangeEdgeMeasured: { exchange: 'BINGX', environment: 'MAINNET', aheadMs: -3_900, uncertaintyMs: 120 },
  ExchangeUnreachable: { ...connector, exchangeCode: 'ECONNREFUSED', failureClass: 'network' },
  ConnectorStateInvalidated: {
    ...connector,
    reason: 'manual',
    by: 'cli',
    condemnedSyncId: SYNC_ID,
    condemnedMeasuredAt: AT,
    referenceClock: 'pg:1',
  },
  ConnectorShadowed: {
    ...connector,
    contact: 'state',
    lookupMs: 2.5,
    toleranceMs: 2_000,
    used: { syncId: SYNC_ID, offsetMs: 11.5, uncertaintyMs: 20, ageMs: 60_000 },
    measured: { at: AT, offsetMs: 12.25, uncertaintyMs: 31, roundTripMs: 62 },
    comparison: { errorMs: -0.75, refusal: 'no' },
  },
  WitnessDistrusted: {
    exchange: 'BYBIT',
    environment: 'MAINNET',
    referenceClock: 'pg:1:1',
    host: 'host:node-7',
    login: 'functions',
    since: AT,
    by: 'cli:alice',
  },
  ExpiredStatesCleaned: { cutoff: AT, by: 'service' },
  HitsForgotten: {
    forgetting: SYNC_ID,
    part: 1,
    parts: 1,
    by: 'cli',
    before: AT,
    until: '12@connector_state-u_c',
    next: '12@connector_state-u_c',
    entries: [],
  },
};
/** Fields of those examples that may be left out. */
const OPTIONAL: Partial<Record<EventType, readonly string[]>> = {
  ConnectorAuthFailed: ['offsetMs'],
  HitsForgotten: ['next'],
  ConnectorShadowed: ['used', 'measured', 'comparison'],
  WitnessDistrusted: ['login', 'since'],
};
const TYPES = Object.keys(EVENT_SCHEMAS) as EventType[];

const raw = (type: string, data: unknown, schemaVersion = 1): RawEvent => ({
  id: newEventId(),
  type,
  schemaVersion,
  stream: 'connector_state-u_c',
  version: 1,
  position: 'pg/1' as Position,
  occurredAt: AT,
  recordedAt: AT,
  host: 'h',
  data,
});
const toNew = (type: string, data: unknown) => ({ ...raw(type, data), type, data }) as unknown as NewEvent;

describe('every type of the catalogue', () => {
  it.each(TYPES)('%s: its example is taken on append and comes back the same', type => {
    expect(() => validateNewEvent(toNew(type, EXAMPLES[type]))).not.toThrow();
    const decoded = decodeEvent(raw(type, JSON.parse(JSON.stringify(EXAMPLES[type]))));
    expect(decoded).toMatchObject({ decoded: 'known', type });
    expect(decoded.data).toEqual(EXAMPLES[type]);
  });

  it.each(TYPES)('%s: refuses a field it does not know', type => {
    const data = { ...EXAMPLES[type], apiSecret: 'canary-secret' };
    expect(() => validateNewEvent(toNew(type, data))).toThrow(/apiSecret/);
    expect(decodeEvent(raw(type, data))).toMatchObject({ decoded: 'invalid' });
  });

  it.each(TYPES)('%s: needs each of its fields, but for those that are optional', type => {
    for (const field of Object.keys(EXAMPLES[type])) {
      const { [field]: _, ...without } = EXAMPLES[type];
      const isOptional = OPTIONAL[type]?.includes(field) === true;
      expect(decodeEvent(raw(type, without)).decoded).toBe(isOptional ? 'known' : 'invalid');
    }
  });
});

describe('decoding', () => {
  it('never throws, whatever was stored', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.constantFrom(...TYPES),
          fc.string(),
          fc.constantFrom('toString', '__proto__', 'constructor'),
        ),
        fc.jsonValue(),
        fc.integer({ min: -2, max: 3 }),
        (type, data, schemaVersion) => {
          const event = decodeEvent(raw(type, data, schemaVersion));
          expect(event.decoded).toBe(TYPES.includes(type as EventType) ? 'invalid' : 'unknown-type');
        },
      ),
    );
  });

  it('says what the schema itself says of whatever was stored', () => {
    fc.assert(
      fc.property(fc.constantFrom(...TYPES), fc.nat(), fc.jsonValue(), (type, index, value) => {
        const fields = [...Object.keys(EXAMPLES[type]), 'extra'];
        const data = { ...EXAMPLES[type], [fields[index % fields.length] as string]: value };

        const event = decodeEvent(raw(type, data));

        const own = EVENT_SCHEMAS[type].safeParse(data);
        expect(event.decoded).toBe(own.success ? 'known' : 'invalid');
        if (own.success) expect(event.data).toEqual(own.data);
        for (const issue of own.error?.issues.slice(0, 5) ?? []) {
          expect(event).toMatchObject({ problem: expect.stringContaining(issue.message) });
        }
      }),
      { numRuns: 500 },
    );
  });

  it('never repeats the value it refuses', () => {
    const canary = 'canary-secret-7f3a';
    const poison = fc.constantFrom<unknown>(
      canary,
      [canary],
      { [canary.slice(0, 3)]: canary },
      { ttlMs: canary },
      canary.repeat(20),
    );
    fc.assert(
      fc.property(
        fc.constantFrom(...TYPES),
        fc.nat(),
        fc.boolean(),
        poison,
        (type, index, isExtra, value) => {
          const fields = Object.keys(EXAMPLES[type]);
          const field = isExtra ? 'extra' : (fields[index % fields.length] as string);
          const data = { ...EXAMPLES[type], [field]: value };

          const event = decodeEvent(raw(type, data));
          if (event.decoded === 'invalid') expect(event.problem).not.toContain(canary);
          try {
            validateNewEvent(toNew(type, data));
          } catch (error) {
            expect((error as Error).message).not.toContain(canary);
          }
        },
      ),
    );
  });

  it('does not repeat a value by way of an upcaster that stumbles over it', () => {
    const stumble = {
      ConnectorStateHit: {
        0: (data: unknown) => {
          throw new Error(`cannot make sense of ${JSON.stringify(data)}`);
        },
      },
    };
    const event = decodeEvent(raw('ConnectorStateHit', { secret: 'canary-secret' }, 0), stumble);
    expect(event).toMatchObject({ decoded: 'invalid', problem: expect.stringContaining('schema version 0') });
    expect(JSON.stringify({ ...event, data: undefined })).not.toContain('canary-secret');
  });

  it('survives an upcaster that throws nothing', () => {
    const stumble = {
      ConnectorStateHit: {
        0: () => {
          throw undefined;
        },
      },
    };
    expect(decodeEvent(raw('ConnectorStateHit', {}, 0), stumble).decoded).toBe('invalid');
  });

  it('brings an old version up one step at a time, then checks it', () => {
    const steps: number[] = [];
    const step = (from: number, change: (data: object) => object) => (data: unknown) => {
      steps.push(from);
      return change(data as object);
    };
    const upcasters = {
      ConnectorStateHit: {
        [-1]: step(-1, data => ({ ...data, count: 1 })),
        0: step(0, data => ({ ...data, tier: 'memory' })),
        1: step(1, data => data),
        2: step(2, data => data),
      },
    };
    const { count, tier, ...oldest } = EXAMPLES.ConnectorStateHit;

    const event = decodeEvent(raw('ConnectorStateHit', oldest, -1), upcasters);

    expect(steps).toEqual([-1, 0, 1, 2]);
    expect(event).toMatchObject({ decoded: 'known', data: { ...oldest, count: 1, tier: 'memory' } });
    expect([count, tier]).toEqual([1, 'postgres']);
  });

  it.each(TYPES)('%s: says what to do with a newer version', type => {
    const event = decodeEvent(raw(type, EXAMPLES[type], SCHEMA_VERSIONS[type] + 1));
    expect(event).toMatchObject({ decoded: 'invalid', problem: expect.stringContaining('upgrade') });
  });
});

describe('event ids', () => {
  it('are UUIDs of version 7 that sort in the order they were made', () => {
    const ids = Array.from({ length: 5_000 }, newEventId);
    expect([...ids].sort()).toEqual(ids);
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids)
      expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });
});
