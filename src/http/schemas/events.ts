/**
 * Events on their way in, and out.
 *
 * In: a fact of the catalogue with the id that makes its append idempotent. Which stream it lies in and which host it is
 * from is not the caller's to say: the stream follows from the fact, and a host is one witness of an exchange's clock, so
 * it begins with who the caller is. One key is one witness, however many names its functions go by.
 */
import { z } from 'zod';
import { EARLIEST_TIME_MS, EVENT_SCHEMAS, LATEST_TIME_MS } from '../../events/catalogue.js';
import type { StoredEvent } from '../../events/event.js';
import { timeMs } from './times.js';

/** What a connector can have happened to it; what operators and clean-ups record has routes of its own. */
const APPENDABLE = [
  'ConnectorSynced',
  'ConnectorSyncFailed',
  'ConnectorStateHit',
  'ConnectorAuthFailed',
  'ConnectorRequestLate',
  'ExchangeUnreachable',
  'ConnectorStateInvalidated',
  'ConnectorShadowed',
] as const;

export const MAX_EVENTS = 1_000;

export const envelope = {
  id: z
    .uuid()
    .describe('UUIDv7, chosen by the caller: an event whose stream has its id already is not stored again.'),
  occurredAt: z
    .int()
    .min(EARLIEST_TIME_MS)
    .max(LATEST_TIME_MS)
    .optional()
    .describe('By the clock of whom it happened to, epoch milliseconds. Default: now.'),
  host: z
    .string()
    .regex(/^[\w.:-]{1,64}$/)
    .optional()
    .describe('The process it happened to, below the caller: `[A-Za-z0-9_.:-]`, up to 64 characters.'),
  correlationId: z.string().max(200).refine(isStorable, 'must be text that a database can hold').optional(),
  causationId: z.string().max(200).refine(isStorable, 'must be text that a database can hold').optional(),
};

function isStorable(text: string): boolean {
  return !text.includes('\u0000') && !/\p{Surrogate}/u.test(text);
}

const eventOf = <T extends (typeof APPENDABLE)[number]>(type: T) =>
  z.strictObject({ ...envelope, type: z.literal(type), data: EVENT_SCHEMAS[type] });

const [synced, syncFailed, stateHit, authFailed, requestLate, unreachable, invalidated, shadowed] = [
  eventOf('ConnectorSynced'),
  eventOf('ConnectorSyncFailed'),
  eventOf('ConnectorStateHit'),
  eventOf('ConnectorAuthFailed'),
  eventOf('ConnectorRequestLate'),
  eventOf('ExchangeUnreachable'),
  eventOf('ConnectorStateInvalidated'),
  eventOf('ConnectorShadowed'),
];

export const newEvent = z.discriminatedUnion('type', [
  synced,
  syncFailed,
  stateHit,
  authFailed,
  requestLate,
  unreachable,
  invalidated,
  shadowed,
]);
export type GivenEvent = z.infer<typeof newEvent>;

export const appendBody = z.strictObject({ events: z.array(newEvent).min(1).max(MAX_EVENTS) });

export const appendAnswer = z.object({
  events: z
    .array(
      z.object({
        id: z.string(),
        stream: z.string(),
        version: z.number(),
        isNew: z.boolean().describe('False: it was stored before, and is not stored again.'),
      }),
    )
    .describe('In the order given; empty while they wait for an event store that is away.'),
  position: z.string().optional().describe('Ask with `atLeast` of this to read your own writes.'),
  waiting: z
    .number()
    .optional()
    .describe('So many are stored safely, but wait for the event store: to be seen once it is back.'),
});

export const storedEvent = z.object({
  id: z.string(),
  type: z.string(),
  stream: z.string(),
  version: z.number(),
  position: z.string(),
  schemaVersion: z.number(),
  occurredAt: timeMs,
  recordedAt: timeMs,
  host: z.string(),
  login: z.string().optional(),
  correlationId: z.string().optional(),
  causationId: z.string().optional(),
  decoded: z.enum(['known', 'unknown-type', 'invalid']),
  data: z
    .unknown()
    .optional()
    .describe('Left out of what is not `known`: nobody has said what may be in it.'),
  problem: z.string().optional(),
});
export type EventAnswer = z.infer<typeof storedEvent>;

export function toEventAnswer(event: StoredEvent): EventAnswer {
  const { id, type, stream, version, position, schemaVersion, occurredAt, recordedAt, host } = event;
  const { login, correlationId, causationId, decoded } = event;
  return {
    ...{ id, type, stream, version, position, schemaVersion, occurredAt, recordedAt, host },
    ...(login !== undefined && { login }),
    ...(correlationId !== undefined && { correlationId }),
    ...(causationId !== undefined && { causationId }),
    decoded,
    ...(decoded === 'known' && { data: event.data }),
    ...(decoded === 'invalid' && { problem: event.problem }),
  };
}
