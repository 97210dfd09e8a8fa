/**
 * What a caller tells, on its way into the event store.
 *
 * An answer means durable: the append is acknowledged by the store, or by the outbox while the store is away. It goes past
 * the recorder, which answers before it has stored anything. What could never be folded is refused here with the reason,
 * where somebody hears it, and not found later among the dead letters.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { whyUnbelievable } from '../../projections/belief.js';
import { linkOf } from '../cache/lookup.js';
import { MAX_SAMPLES } from '../cache/recordable.js';
import { referenceTimeMs } from '../clock/reference.js';
import type { AppendResult } from '../event-store/event-store.js';
import type { ConnectorRef } from '../events/connector.js';
import type { KnownEvent, NewEvent, Position } from '../events/event.js';
import { streamOf } from '../events/streams.js';
import type { Principal } from './access/access.js';
import { HttpProblem } from './problem.js';
import type { GivenEvent } from './schemas/events.js';

const APPEND_TIMEOUT_MS = 5_000;
const MAX_HOST = 200;

/**
 * One witness a caller: everything before the first slash, which machineOf() takes for the machine's name, is the
 * caller's own, and none of it is what the caller says.
 */
export function hostOf({ id }: Principal, instance: string | undefined): string {
  const machine = id.replaceAll('/', '%2F').slice(0, MAX_HOST - 66);
  return instance === undefined ? machine : `${machine}/${instance}`;
}

/**
 * @param pointerOf where in the request the event of this index was told: the body is one, unless it lists them
 * @throws HttpProblem 422 for what no projection could take; ConnectorStateError as the store does
 */
export async function record(
  app: FastifyInstance,
  request: FastifyRequest,
  given: readonly GivenEvent[],
  pointerOf: (index: number) => string = () => '/body',
): Promise<AppendResult> {
  const { state } = app.parts;
  const nowMs = Math.round(state.cache.clock.now());
  const events = given.map(event => toNewEvent(event, request.principal, nowMs));
  const recordedAt = await databaseTimeMs(app, given, nowMs);
  for (const [index, event] of events.entries()) {
    const why = whyUnbelievable(asStored(event, recordedAt)) ?? whyUnstorable(event);
    if (why !== undefined) {
      const errors = [{ pointer: pointerOf(index), detail: why }];
      throw new HttpProblem(422, 'INVALID_EVENT', `event ${event.id} could never be applied: ${why}`, {
        errors,
      });
    }
  }
  const store = await state.store();
  const result = await store.append(events, { timeoutMs: APPEND_TIMEOUT_MS });
  for (const event of events) {
    if (event.type === 'ConnectorSynced' || event.type === 'ConnectorStateInvalidated') {
      state.cache.heard(event.data as ConnectorRef, event);
    }
  }
  return result;
}

/** What an event may say, and no row can show. */
function whyUnstorable({ type, data }: NewEvent): string | undefined {
  if (type !== 'ConnectorSynced' || data.samples <= MAX_SAMPLES) return undefined;
  return `samples: a row holds ${MAX_SAMPLES} at most, got ${data.samples}`;
}

function toNewEvent(given: GivenEvent, principal: Principal, nowMs: number): NewEvent {
  const { occurredAt = nowMs, host, ...event } = given;
  const incomplete = { ...event, occurredAt, host: hostOf(principal, host), stream: '' } as NewEvent;
  return { ...incomplete, stream: streamOf(incomplete) };
}

const asStored = (event: NewEvent, recordedAt: number): KnownEvent => ({
  ...event,
  schemaVersion: 1,
  version: 1,
  position: '' as Position,
  recordedAt,
});

/** What a sync says lies in the past of the database's clock, not of this host's. */
async function databaseTimeMs(
  app: FastifyInstance,
  given: readonly GivenEvent[],
  nowMs: number,
): Promise<number> {
  const first = given.find(({ type }) => type === 'ConnectorSynced' || type === 'ConnectorStateInvalidated');
  if (!first) return nowMs;
  const link = linkOf(await app.parts.state.cache.peek(first.data as ConnectorRef));
  return link ? referenceTimeMs(link, nowMs) : nowMs;
}
