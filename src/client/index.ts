/**
 * A client of the service's API, for any platform that has `fetch`.
 *
 * @example
 * import { createClient } from 'connector-state/client';
 *
 * const client = createClient({ baseUrl: 'https://state.example.com', token: process.env.CONNECTOR_STATE_KEY });
 * const found = await client.state({ exchange: 'BYBIT', environment: 'MAINNET', userId: 'alice', credentialId: 'main' });
 * const timestamp = Date.now() + (found.offset?.offsetMs ?? 0);
 */
import { v7 } from 'uuid';
import { checkHas, connectorPath, credentialPath, segmentOf } from './given.js';
import { type Bounded, linkOf, offsetOf } from './own-clock.js';
import { type ClientOptions, type Query, Transport } from './transport.js';
import type {
  AppendAnswer,
  ClockAnswer,
  ConnectorRef,
  CredentialRef,
  DriftBucket,
  Environment,
  EventAnswer,
  Exchange,
  Job,
  ListedConnector,
  LookupAnswer,
  ManyAnswer,
  ProjectionsAnswer,
  Reference,
  Series,
  State,
  UsageBucket,
  WarmUpAnswer,
} from './types.js';

export { ApiError } from './api-error.js';
export type { Bounded } from './own-clock.js';
export type { ClientOptions } from './transport.js';
export type * from './types.js';

/** An answer with what it says about this process's own clock. */
export type Found<T extends LookupAnswer = LookupAnswer> = T & {
  /**
   * Exchange minus own clock now, of the best state there is: the connector's own, else the exchange's shared clock, else one
   * past its end. `undefined`: nothing is known, or it is relative to a clock that did not answer.
   */
  readonly offset: Bounded | undefined;
  /** Reference minus own clock: a measurement of one's own is kept against that. */
  readonly link: (Bounded & { readonly clock: string }) | undefined;
};

export interface LookupOptions {
  readonly atLeast?: string | undefined;
  /** Do not count the hit. */
  readonly peek?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What came of a request to the exchange's time, by this process's clock. */
export interface ClockSample {
  readonly sentAtMs: number;
  readonly receivedAtMs: number;
  readonly serverTimeMs: number;
}

export interface Envelope {
  /** Default: a new UUIDv7. Give the same to repeat. */
  readonly id?: string | undefined;
  readonly occurredAt?: number | undefined;
  /** The process it happened to, `[A-Za-z0-9_.:-]`. */
  readonly host?: string | undefined;
  readonly correlationId?: string | undefined;
  readonly causationId?: string | undefined;
}

export interface ListQuery {
  readonly user?: string | undefined;
  readonly userId?: string | undefined;
  readonly credential?: string | undefined;
  readonly exchange?: Exchange | undefined;
  readonly environment?: Environment | undefined;
  readonly scope?: string | undefined;
  readonly status?: ListedConnector['status'] | undefined;
  readonly limit?: number | undefined;
  readonly cursor?: string | undefined;
}

export interface RangeQuery {
  /** ISO 8601, epoch milliseconds, or a span that ends now: `24h`. */
  readonly from?: string | number | undefined;
  readonly until?: string | number | undefined;
  readonly bucketMs?: number | undefined;
  readonly exchange?: Exchange | undefined;
  readonly environment?: Environment | undefined;
}

export interface PlacedRangeQuery extends RangeQuery {
  readonly scope?: string | undefined;
  /** A machine's name. */
  readonly host?: string | undefined;
  /** `host`: a line for each machine. Default: all machines together. */
  readonly by?: 'exchange' | 'host' | undefined;
}

/** Half of the stamp's resolution on either side. */
const STAMP_MS = 0.5;

export type Client = ReturnType<typeof createClient>;

/**
 * Every method throws {@link ApiError}, or the reason of a signal that fired. Its code is `INVALID_INPUT`, and its status 0,
 * for what cannot be asked at all: nothing was sent. So it is of options that are none.
 * @example
 * const client = createClient({ baseUrl: 'https://state.example.com', token });
 * const { offset } = await client.state({ exchange: 'BYBIT', environment: 'MAINNET', userId: 'alice', credentialId: 'main' });
 */
export function createClient(options: ClientOptions) {
  const transport = new Transport(options);
  const { now } = transport;
  const record = async (ref: ConnectorRef, what: string, fact: object, envelope: Envelope = {}) =>
    transport.ask<AppendAnswer>(`${connectorPath(ref)}/${what}`, {
      method: 'POST',
      body: { scope: ref.scope, ...fact, ...envelope, id: envelope.id ?? v7() },
    });

  return {
    /** The connector's state, applied to this process's clock. */
    async state(ref: ConnectorRef, { atLeast, peek, signal }: LookupOptions = {}): Promise<Found> {
      const nonce = v7();
      const query = { scope: ref.scope, atLeast, peek, nonce };
      const answer = await transport.timed<LookupAnswer>(`${connectorPath(ref)}/state`, { query, signal });
      return applied(answer.body, referenceOf(answer.body, nonce), answer, now());
    },

    /** Up to 1 000 of them in one request, in the order asked. */
    async states(
      refs: readonly ConnectorRef[],
      { atLeast, peek, signal }: LookupOptions = {},
    ): Promise<Found[]> {
      const nonce = v7();
      const body = { connectors: refs, atLeast, peek, nonce };
      const answer = await transport.timed<ManyAnswer>('/v1/states', { method: 'POST', body, signal });
      const shared = referenceOf(answer.body, nonce);
      const nowMs = now();
      return answer.body.states.map(each => applied(each, each.reference ?? shared, answer, nowMs));
    },

    /** The exchange's time, as its difference from this process's clock. */
    async exchangeTime(
      exchange: Exchange,
      environment: Environment,
      { scope, signal }: { readonly scope?: string; readonly signal?: AbortSignal } = {},
    ): Promise<Bounded & { readonly status: ClockAnswer['now']['status'] }> {
      const nonce = v7();
      const path = `/v1/clock/${segmentOf('exchange', exchange)}/${segmentOf('environment', environment)}`;
      const { body, sentAtMs, receivedAtMs } = await transport.timed<ClockAnswer>(path, {
        query: { nonce, scope },
        signal,
      });
      // Kept by somebody on the way: of when it is, nobody can say.
      const isOwn = body.nonce === nonce;
      const heldMs = body.server.sentAtMs - body.server.receivedAtMs;
      const low = body.now.earliestMs - receivedAtMs;
      const high = body.now.latestMs - (sentAtMs + heldMs);
      return {
        offsetMs: (low + high) / 2,
        uncertaintyMs: isOwn ? Math.max(0, (high - low) / 2) : Number.POSITIVE_INFINITY,
        atMs: receivedAtMs,
        status: isOwn ? body.now.status : 'unknown',
      };
    },

    /**
     * Records what a request to the exchange's time said, against the reference clock of an answer of {@link state}.
     * @returns `undefined` when that answer had no link, so that nobody else could read the measurement
     */
    async recordSample(
      ref: ConnectorRef,
      sample: ClockSample,
      found: Pick<Found, 'link'>,
      trigger: string,
      envelope: Envelope = {},
    ): Promise<AppendAnswer | undefined> {
      checkHas('a sample', sample, ['sentAtMs', 'receivedAtMs', 'serverTimeMs']);
      checkHas('what was found', found, []);
      const { link } = found;
      if (!link) return undefined;
      const { sentAtMs, receivedAtMs, serverTimeMs } = sample;
      const halfMs = (receivedAtMs - sentAtMs) / 2;
      const middleMs = (sentAtMs + receivedAtMs) / 2;
      const fact = {
        trigger,
        offsetMs: serverTimeMs + STAMP_MS - middleMs - link.offsetMs,
        uncertaintyMs: halfMs + STAMP_MS + link.uncertaintyMs,
        roundTripMs: receivedAtMs - sentAtMs,
        samples: 1,
        source: 'time-endpoint',
        referenceClock: link.clock,
        measuredAt: Math.round(receivedAtMs + link.offsetMs),
      };
      return record(ref, 'syncs', fact, envelope);
    },

    /** A sync whose figures the caller has worked out itself; see the API's description. */
    recordSync: (ref: ConnectorRef, sync: object, envelope?: Envelope) =>
      record(ref, 'syncs', sync, envelope),

    recordAuthFailure: (
      ref: ConnectorRef,
      failure: { readonly exchangeCode: string; readonly failureClass: string } & object,
      envelope?: Envelope,
    ) => record(ref, 'auth-failures', failure, envelope),

    /** Lookups that the caller answered from its own memory. */
    recordHits: (
      ref: ConnectorRef,
      hits: {
        readonly tier: string;
        readonly count: number;
        readonly firstAt: number;
        readonly lastAt: number;
      },
      envelope?: Envelope,
    ) => record(ref, 'hits', hits, envelope),

    /** Condemns the measurement that a state rests on, and no newer one. */
    async invalidate(
      ref: ConnectorRef,
      state: State,
      reason: 'timestamp-refused' | 'manual',
      envelope?: Envelope,
    ) {
      checkHas('a state', state, ['syncId', 'measuredAtMs', 'referenceClock']);
      const condemned = {
        condemnedSyncId: state.syncId,
        condemnedMeasuredAt: Math.round(state.measuredAtMs),
        referenceClock: state.referenceClock,
      };
      return record(ref, 'invalidations', { reason, ...condemned }, envelope);
    },

    /** A batch of facts, all or none; each with an id, so that it may be repeated. */
    append: (events: readonly object[]) =>
      transport.ask<AppendAnswer>('/v1/events', { method: 'POST', body: { events } }),

    history: async (
      ref: CredentialRef,
      query: { limit?: number; order?: 'newest' | 'oldest'; since?: string | number; cursor?: string } = {},
    ) => transport.ask<{ events: EventAnswer[]; next?: string }>(`${credentialPath(ref)}/history`, { query }),

    stateAt: async (ref: CredentialRef, time: string | number) =>
      transport.ask<Record<string, unknown>>(`${credentialPath(ref)}/state-at`, { query: { time } }),

    /** The clocks of these connectors measured by the service, where they are not good for `aheadMs` (default: an hour). */
    warmUp: (connectors: readonly ConnectorRef[], { aheadMs }: { aheadMs?: number } = {}) =>
      transport.ask<WarmUpAnswer>('/v1/warm-ups', { method: 'POST', body: { connectors, aheadMs } }),

    explanation: async (ref: CredentialRef) =>
      transport.ask<Record<string, unknown>>(`${credentialPath(ref)}/explanation`),

    connectors: (query: ListQuery = {}) =>
      transport.ask<{ connectors: ListedConnector[]; next?: string }>('/v1/connectors', {
        query: { ...query },
      }),

    stats: () => transport.ask<Record<string, unknown>>('/v1/stats'),

    drift: (query: PlacedRangeQuery = {}) =>
      transport.ask<Series<DriftBucket>>('/v1/analytics/drift', { query: query as Query }),

    usage: (query: PlacedRangeQuery = {}) =>
      transport.ask<Series<UsageBucket>>('/v1/analytics/usage', { query: query as Query }),

    projections: () => transport.ask<ProjectionsAnswer>('/v1/projections'),

    deadLetters: () => transport.ask<{ deadLetters: object[]; total: number }>('/v1/dead-letters'),

    replayDeadLetters: () =>
      transport.ask<Job>('/v1/dead-letters/replay', { method: 'POST', repeatable: false }),

    dismissDeadLetters: (what: { event: string; undo?: boolean }) =>
      transport.ask<{ changed: number }>('/v1/dead-letters/dismiss', { method: 'POST', body: what }),

    rebuild: (what: { projections?: readonly string[]; check?: boolean; strict?: boolean } = {}) =>
      transport.ask<Job>('/v1/rebuilds', { method: 'POST', body: what, repeatable: false }),

    jobs: () => transport.ask<{ jobs: Job[] }>('/v1/jobs'),

    job: async (id: string) => transport.ask<Job>(`/v1/jobs/${segmentOf('id', id)}`),

    cleanup: () => transport.ask<{ removed: number }>('/v1/cleanup', { method: 'POST' }),

    distrust: (host: { host: string; login?: string; since?: string; undo?: boolean }) =>
      transport.ask<{ clocks: number }>('/v1/distrust', { method: 'POST', body: host }),

    /** An operator's: condemns whatever the state rests on now. */
    invalidateCurrent: async (ref: CredentialRef) =>
      transport.ask<{ syncId: string }>(`${credentialPath(ref)}/invalidate`, { method: 'POST' }),
  };
}

/** An answer that somebody kept on the way tells the time of then: only what carries our nonce is a sample. */
const referenceOf = (
  answer: { nonce?: string | undefined; reference?: Reference | undefined },
  nonce: string,
) => (answer.nonce === nonce ? answer.reference : undefined);

function applied(
  answer: LookupAnswer,
  reference: Reference | undefined,
  { sentAtMs, receivedAtMs }: { readonly sentAtMs: number; readonly receivedAtMs: number },
  nowMs: number,
): Found {
  if (!reference) return { ...answer, offset: undefined, link: undefined };
  const link = linkOf(reference, sentAtMs, receivedAtMs);
  const best = answer.hit ? answer.state : (answer.exchangeClock ?? answer.between ?? answer.ended);
  return {
    ...answer,
    offset: best && offsetOf(best, reference.clock, link, nowMs),
    link: { ...link, clock: reference.clock },
  };
}
