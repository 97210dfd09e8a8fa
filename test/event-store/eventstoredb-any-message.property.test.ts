/**
 * Whatever the protocol allows a server to send, with each field at its extremes or missing, unknown, twice, late or
 * for a correlation id that nobody knows: no error that reaches nobody, no call that hangs, nothing stored twice,
 * nothing passed over. The server behind is right about what it stores; everything around that is made up.
 */
import shared from '@eventstore/db-client/generated/shared_pb.js';
import statuses from '@eventstore/db-client/generated/status_pb.js';
import streams from '@eventstore/db-client/generated/streams_pb.js';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import any from 'google-protobuf/google/protobuf/any_pb.js';
import type { Position } from '../../src/events/event.js';
import { follow, idsOf } from '../contract/harness.js';
import { many, sampleConnector } from '../contract/sample-events.js';
import { startTestServer, type TestServer } from '../support/esdb-server/index.js';
import { eventually, givenServer, givenStore } from './eventstoredb-support.js';
import { type Meddler, type Meddling, startMeddler } from './meddler.js';

const { BatchAppendResp, ReadResp } = streams;
const { AllStreamPosition, UUID, WrongExpectedVersion } = shared;

const LARGEST = String(2n ** 64n - 1n);
/** Far beyond any log, so that no answer made of them can be taken for one that says something. */
const extreme = fc.constantFrom('0', String(2n ** 63n - 1n), String(2n ** 63n), LARGEST);
const encoded = (message: { serializeBinary(): Uint8Array }) => Buffer.from(message.serializeBinary());

/** Fields nobody knows, of every wire type. */
const unknown = fc.constantFrom(
  Buffer.from([]),
  Buffer.from([0xf8, 0x07, 0x01]),
  Buffer.from([0xfa, 0x07, 0x03, 1, 2, 3]),
  Buffer.from([0xf9, 0x07, 1, 2, 3, 4, 5, 6, 7, 8]),
  Buffer.from([0xfd, 0x07, 1, 2, 3, 4]),
);

/** An answer to a read that holds no event, or one without a record. */
const readAnswer = fc.oneof(
  unknown,
  fc.tuple(extreme, extreme, fc.boolean()).map(([commit, prepare, isEmpty]) => {
    const answer = new ReadResp();
    const checkpoint = new ReadResp.Checkpoint();
    if (!isEmpty) checkpoint.setCommitPosition(commit);
    if (!isEmpty) checkpoint.setPreparePosition(prepare);
    answer.setCheckpoint(checkpoint);
    return encoded(answer);
  }),
  fc.tuple(fc.nat(6), extreme).map(([kind, number]) => {
    const answer = new ReadResp();
    if (kind === 0) answer.setConfirmation(new ReadResp.SubscriptionConfirmation());
    else if (kind === 1) answer.setFirstStreamPosition(number);
    else if (kind === 2) answer.setLastStreamPosition(number);
    else if (kind === 3) answer.setLastAllStreamPosition(new AllStreamPosition());
    else if (kind === 4) answer.setFellBehind(new ReadResp.FellBehind());
    else if (kind === 5) answer.setEvent(new ReadResp.ReadEvent());
    else answer.setStreamNotFound(new ReadResp.StreamNotFound());
    return encoded(answer);
  }),
);

const correlation = fc.option(fc.uuid()).map(id => {
  if (id === null) return undefined;
  const uuid = new UUID();
  uuid.setString(id);
  return uuid;
});
const appendAnswer = fc.oneof(
  unknown,
  fc.tuple(correlation, extreme, fc.boolean()).map(([id, number, isEmpty]) => {
    const answer = new BatchAppendResp();
    answer.setCorrelationId(id);
    const success = new BatchAppendResp.Success();
    if (!isEmpty) success.setCurrentRevision(number);
    const position = new AllStreamPosition();
    position.setCommitPosition(number);
    success.setPosition(position);
    answer.setSuccess(success);
    return encoded(answer);
  }),
  fc
    .tuple(correlation, fc.integer(), fc.constantFrom('', 'event_store.client.WrongExpectedVersion', 'x'))
    .map(([id, code, type]) => {
      const answer = new BatchAppendResp();
      answer.setCorrelationId(id);
      const status = new statuses.Status();
      status.setCode(code);
      const details = new any.Any();
      details.setTypeUrl(`type.googleapis.com/${type}`);
      details.setValue(type === 'x' ? Buffer.from([0xff]) : new WrongExpectedVersion().serializeBinary());
      status.setDetails(details);
      answer.setError(status);
      return encoded(answer);
    }),
);

/** What becomes of the next messages of one call: noise before and after each, some sent again, at once or later. */
interface Plan {
  readonly before: readonly Buffer[];
  readonly after: readonly Buffer[];
  readonly again: boolean;
  readonly late: boolean;
}
const planOf = (noise: fc.Arbitrary<Buffer>): fc.Arbitrary<Plan> =>
  fc.record({
    before: fc.array(noise, { maxLength: 2 }),
    after: fc.array(noise, { maxLength: 2 }),
    again: fc.boolean(),
    late: fc.boolean(),
  });

function meddlingBy(plans: readonly Plan[]): () => Meddling {
  return () => {
    let next = 0;
    const late: Buffer[] = [];
    return message => {
      const plan = plans[next++ % Math.max(plans.length, 1)];
      if (!plan) return [message];
      const sent = [...plan.before, message, ...(plan.again ? [message] : []), ...plan.after];
      const due = next % 3 === 0 ? late.splice(0) : [];
      if (plan.late) late.push(message);
      return [...sent, ...due];
    };
  };
}

/** Late events end a call, so that it is read anew; a server that sends nothing else would be read for ever. */
function forAWhile(meddling: () => Meddling, calls: number): () => Meddling {
  let left = calls;
  return () => (left-- > 0 ? meddling() : message => [message]);
}

describe('whatever a server sends', () => {
  let server: TestServer;
  let meddler: Meddler;
  const uncaught: unknown[] = [];
  const note = (error: unknown) => void uncaught.push(error);

  beforeAll(async () => {
    server = await startTestServer();
    meddler = await startMeddler(server.port);
    process.on('uncaughtException', note);
    process.on('unhandledRejection', note);
  });
  afterAll(async () => {
    process.off('uncaughtException', note);
    process.off('unhandledRejection', note);
    meddler.close();
    await server.close();
  });

  it('is survived by appends, reads and subscriptions, and each event is there once', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(planOf(readAnswer), { minLength: 1, maxLength: 6 }),
        fc.array(planOf(appendAnswer), { minLength: 1, maxLength: 6 }),
        async (readPlans, appendPlans) => {
          meddler.meddle({});
          const store = givenStore(meddler);
          const start = await store.head();
          const connector = sampleConnector();
          const events = many(12, index => (index % 4 === 3 ? connector.hit() : connector.fact()));
          const meddle = () =>
            meddler.meddle({
              read: forAWhile(meddlingBy(readPlans), 1),
              append: forAWhile(meddlingBy(appendPlans), 1),
            });

          meddle();
          for (const event of events) await store.append([event]);
          meddle();
          const stream = await store.readStream(connector.stateStream);
          meddle();
          const all = await store.readAll({ after: start, limit: 100 });
          let position: Position | undefined = start;
          const seen: string[] = [];
          // Broken off and resumed from the last page: what was passed over would be missing.
          while (seen.length < events.length) {
            meddle();
            await follow(store, { after: position, pageSize: 5 }, page => {
              seen.push(...idsOf(page.events));
              position = page.position;
              return true;
            });
          }
          await store.close();

          const facts = events.filter(({ stream: of }) => of === connector.stateStream);
          expect(idsOf(stream)).toEqual(idsOf(facts));
          expect(idsOf(all)).toEqual(idsOf(events));
          expect(seen).toEqual(idsOf(events));
          expect(uncaught).toEqual([]);
        },
      ),
      { numRuns: 12 },
    );
  });

  it.each([
    [
      'a revision',
      (record: InstanceType<typeof ReadResp.ReadEvent.RecordedEvent>) => record.setStreamRevision(LARGEST),
    ],
    [
      'a position',
      (record: InstanceType<typeof ReadResp.ReadEvent.RecordedEvent>) => record.setCommitPosition(LARGEST),
    ],
  ])('ends a call, typed, when it is an event at %s that no log has', async (_, spoil) => {
    const store = givenStore(meddler, { callTimeoutMs: 1_500 });
    const connector = sampleConnector();
    const { position } = await store.append([connector.fact()]);
    await store.append([connector.fact()]);
    meddler.meddle({
      read: () => message => {
        const answer = ReadResp.deserializeBinary(message);
        const record = answer.getEvent()?.getEvent();
        if (!record) return [message];
        spoil(record);
        return [encoded(answer)];
      },
    });

    await expect(store.readStream(connector.stateStream)).rejects.toMatchObject({
      code: 'EVENT_STORE_FAILED',
    });
    const stop = new AbortController();
    const pages = store.subscribe({ after: position, signal: stop.signal })[Symbol.asyncIterator]();
    const next = pages.next();
    await eventually(() => store.warnings.length > 3);
    stop.abort();
    expect(await next).toMatchObject({ done: true });
    expect(uncaught).toEqual([]);
  });
});

describe('an empty log', () => {
  it.each([
    ['says that nothing was looked at', LARGEST],
    ['says the largest number a position can have', String(2n ** 63n - 1n)],
  ])('that %s is followed from its first event', async (_, number) => {
    const empty = await givenServer();
    const meddler = await startMeddler(empty.port);
    try {
      const checkpoint = new ReadResp.Checkpoint();
      checkpoint.setCommitPosition(number);
      checkpoint.setPreparePosition(number);
      const told = new ReadResp();
      told.setCheckpoint(checkpoint);
      meddler.meddle({ read: () => message => [encoded(told), message, encoded(told)] });
      const store = givenStore(meddler);
      const event = sampleConnector().fact();
      const positions: unknown[] = [];
      const seen: string[] = [];

      await follow(store, { after: undefined }, async page => {
        if (page.events.length === 0) {
          positions.push(page.position);
          await store.append([event]);
        }
        seen.push(...idsOf(page.events));
        return seen.length > 0;
      });

      expect(positions).toEqual([undefined]);
      expect(seen).toEqual([event.id]);
      await store.close();
    } finally {
      meddler.close();
    }
  });
});
