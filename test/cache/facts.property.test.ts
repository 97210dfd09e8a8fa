/** A fact is never dropped for what this process found out by itself, however odd its clocks are. */
import { expect, it } from '@jest/globals';
import fc from 'fast-check';

import {
  authFailedFact,
  edgeFact,
  requestLateFact,
  syncFailedFact,
  unreachableFact,
} from '../../src/cache/facts.js';
import type { UsableState } from '../../src/cache/lookup.js';
import { Recorder } from '../../src/cache/recorder.js';
import { serialiseEvent } from '../../src/event-store/serialise.js';
import type { Fact, NewEvent } from '../../src/events/event.js';
import { newEventId } from '../../src/events/ids.js';
import { streamOf } from '../../src/events/streams.js';
import { keptLog } from '../support/log.js';

const REF = { userId: 'u', credentialId: 'c', exchange: 'BYBIT', environment: 'MAINNET' } as const;
const NOW_MS = 1_795_000_000_000;

const anyMs = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: false }),
  fc.constantFrom(0, -1, 1e9 + 1, 1e18, NOW_MS / 1000, NOW_MS * 1000, -(2 ** 53), 1e308),
);
const anyText = fc.oneof(fc.string({ unit: 'binary', maxLength: 300 }), fc.constantFrom('\0', '\ud800', ''));

/** As a lookup gives it, over a link of any length. */
const anyState = fc.record({ linkMs: anyMs }).map(
  ({ linkMs }): UsableState => ({
    ...REF,
    scope: 'default',
    syncId: '0b8d4a3c-6f0e-4a51-8a53-3d9f7a0a1f6e',
    basis: 'measured',
    estimate: { offsetMs: 1, uncertaintyMs: 1, atMs: NOW_MS },
    expiresAtMs: NOW_MS + 1,
    referenceClock: 'pg:1:1',
    link: { clockId: 'pg:1:1', offsetMs: linkMs, uncertaintyMs: 0, atMs: NOW_MS },
  }),
);

const anyFact: fc.Arbitrary<Fact> = fc.oneof(
  fc
    .record({
      exchangeCode: anyText,
      state: fc.option(anyState, { nil: undefined }),
      serverTimeMs: fc.option(fc.oneof(anyMs, fc.constant(Number.NaN)), { nil: undefined }),
      hostNowMs: anyMs,
    })
    .map(({ hostNowMs, ...failure }) =>
      authFailedFact(REF, { ...failure, failureClass: 'timestamp' }, hostNowMs),
    ),
  fc
    .record({ exchangeCode: anyText, a: anyMs, b: anyMs, c: anyMs, d: anyMs, serverTimeMs: anyMs })
    .map(({ exchangeCode, a, b, c, d, serverTimeMs }) => {
      const request = {
        timestampMs: a,
        recvWindowMs: b,
        earlyLimitMs: 1,
        signedAtMs: c,
        sentAtMs: c,
        receivedAtMs: d,
      };
      const lateness = { cause: 'late' as const, atLeastMs: c, atMostMs: d };
      return requestLateFact(REF, {
        ...lateness,
        ...{ exchangeCode, request, uncertaintyMs: b, state: undefined, serverTimeMs },
      });
    }),
  fc.record({ offsetMs: anyMs, uncertaintyMs: anyMs }).map(ahead => edgeFact(REF, ahead)),
  anyText.map(exchangeCode => unreachableFact(REF, { exchangeCode, failureClass: 'network' })),
  fc
    .record({ exchangeCode: anyText, durationMs: anyMs })
    .map(failure => syncFailedFact(REF, { ...failure, trigger: 'absent', failureClass: 'timeout' })),
);

it('is one that every event store takes', () => {
  fc.assert(
    fc.property(anyFact, fact => {
      const event = { ...fact, id: newEventId(), occurredAt: NOW_MS, host: 'h' };
      serialiseEvent({ ...event, stream: streamOf(fact) } as NewEvent);
    }),
  );
});

it.each([0, Date.UTC(1999, 1), Date.UTC(2200, 1), -1e18])(
  'is kept, and so are hits, on a machine whose wall clock says %d',
  async wallMs => {
    const stored: NewEvent[] = [];
    const recorder = new Recorder({
      store: async () => ({
        async append(events) {
          events.forEach(serialiseEvent);
          stored.push(...events);
          return { events: [], position: undefined };
        },
      }),
      newId: async () => newEventId,
      maxPending: 100,
      flushIntervalMs: 600_000,
      host: 'host:test/1',
      wall: () => wallMs,
      log: keptLog(),
    });
    recorder.recordHit(REF, 'memory');
    recorder.record(unreachableFact(REF, { exchangeCode: 'ECONNRESET', failureClass: 'network' }));
    expect(await recorder.flush()).toMatchObject({ ok: true, lost: 0 });
    expect(stored.map(({ type }) => type).sort()).toEqual(['ConnectorStateHit', 'ExchangeUnreachable']);
  },
);
