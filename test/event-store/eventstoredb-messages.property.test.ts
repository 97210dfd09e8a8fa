/** Our own reading and writing of the protocol's two busiest messages, held against the classes generated for them. */
import shared from '@eventstore/db-client/generated/shared_pb.js';
import statuses from '@eventstore/db-client/generated/status_pb.js';
import streams from '@eventstore/db-client/generated/streams_pb.js';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import emptyMessage from 'google-protobuf/google/protobuf/empty_pb.js';
import { decodeAppendAnswer, encodeAppend } from '../../src/event-store/eventstoredb/append-message.js';
import { decodeReadMessage } from '../../src/event-store/eventstoredb/read-message.js';

const { BatchAppendReq, BatchAppendResp, ReadResp } = streams;
const { AllStreamPosition, StreamIdentifier, UUID } = shared;
const { RecordedEvent } = ReadResp.ReadEvent;

const text = fc.string({ unit: 'grapheme', maxLength: 300 });
const bytes = fc.uint8Array({ maxLength: 400 });
const uint63 = fc
  .oneof(fc.nat(300), fc.maxSafeNat(), fc.bigInt({ min: 0n, max: 2n ** 63n - 2n }))
  .map(String);
const version = fc.oneof(
  fc.nat(300),
  fc.maxSafeNat().map(number => Math.max(0, number - 1)),
);
const proposal = fc.record({ id: fc.uuid(), type: text, data: bytes, metadata: bytes });

const uuidOf = (id: string, isStructured: boolean) => {
  const uuid = new UUID();
  if (!isStructured) uuid.setString(id);
  else {
    const bits = BigInt(`0x${id.replaceAll('-', '')}`);
    const halves = new UUID.Structured();
    halves.setMostSignificantBits(String(BigInt.asIntN(64, bits >> 64n)));
    halves.setLeastSignificantBits(String(BigInt.asIntN(64, bits)));
    uuid.setStructured(halves);
  }
  return uuid;
};
const streamOf = (name: string) => {
  const identifier = new StreamIdentifier();
  identifier.setStreamName(Buffer.from(name));
  return identifier;
};
const encoded = (message: { serializeBinary(): Uint8Array }) => Buffer.from(message.serializeBinary());

describe('an append', () => {
  it('says to a server what it was given', () => {
    fc.assert(
      fc.property(
        fc.uuid(),
        text,
        version,
        fc.array(proposal, { maxLength: 5 }),
        (correlation, stream, at, proposals) => {
          const request = BatchAppendReq.deserializeBinary(encodeAppend(correlation, stream, at, proposals));

          expect(request.getCorrelationId()?.getString()).toBe(correlation);
          expect(request.getIsFinal()).toBe(true);
          const options = request.getOptions();
          expect(Buffer.from(options?.getStreamIdentifier()?.getStreamName_asU8() ?? []).toString()).toBe(
            stream,
          );
          expect(options?.hasNoStream()).toBe(at === 0);
          expect(options?.hasStreamPosition()).toBe(at !== 0);
          if (at !== 0) expect(options?.getStreamPosition()).toBe(String(at - 1));
          expect(
            request.getProposedMessagesList().map(message => ({
              id: message.getId()?.getString(),
              type: message.getMetadataMap().get('type'),
              contentType: message.getMetadataMap().get('content-type'),
              data: Buffer.from(message.getData_asU8()),
              metadata: Buffer.from(message.getCustomMetadata_asU8()),
            })),
          ).toEqual(
            proposals.map(({ id, type, data, metadata }) => ({
              id,
              type,
              contentType: 'application/json',
              data: Buffer.from(data),
              metadata: Buffer.from(metadata),
            })),
          );
        },
      ),
    );
  });

  it.each([false, true])('understands that it was stored (structured ids: %p)', isStructured => {
    fc.assert(
      fc.property(
        fc.uuid(),
        version,
        fc.option(fc.tuple(uint63, uint63)),
        (correlation, revision, position) => {
          const success = new BatchAppendResp.Success();
          success.setCurrentRevision(String(revision));
          if (position) {
            const there = new AllStreamPosition();
            there.setCommitPosition(position[0]);
            there.setPreparePosition(position[1]);
            success.setPosition(there);
          } else success.setNoPosition(new emptyMessage.Empty());
          const answer = new BatchAppendResp();
          answer.setCorrelationId(uuidOf(correlation, isStructured));
          answer.setStreamIdentifier(streamOf('any'));
          answer.setSuccess(success);

          expect(decodeAppendAnswer(encoded(answer))).toEqual({
            correlation,
            success: {
              version: revision + 1,
              position: position ? `esdb/${position[0]}/${position[1]}` : undefined,
            },
          });
        },
      ),
    );
  });

  it('takes the largest number of all for a position that is not known', () => {
    const there = new AllStreamPosition();
    there.setCommitPosition(String(2n ** 64n - 1n));
    there.setPreparePosition(String(2n ** 64n - 1n));
    const success = new BatchAppendResp.Success();
    success.setCurrentRevision('4');
    success.setPosition(there);
    const answer = new BatchAppendResp();
    answer.setSuccess(success);

    expect(decodeAppendAnswer(encoded(answer)).success).toEqual({ version: 5, position: undefined });
  });

  it('understands that it was refused', () => {
    const error = new statuses.Status();
    error.setMessage('no');
    const answer = new BatchAppendResp();
    const id = '018f3c5e-0000-7000-8000-000000000001';
    answer.setCorrelationId(uuidOf(id, true));
    answer.setError(error);

    const { correlation, error: said } = decodeAppendAnswer(encoded(answer));

    expect([correlation, said?.getMessage()]).toEqual([id, 'no']);
  });
});

describe('an answer to a read', () => {
  it.each([false, true])('is understood when it is an event (structured ids: %p)', isStructured => {
    const recorded = fc.record({
      id: fc.uuid(),
      stream: text,
      type: text,
      revision: version,
      commit: uint63,
      prepare: uint63,
      createdMs: fc.integer({ min: 946_684_800_000, max: 4_102_444_800_000 }),
      data: bytes,
      metadata: bytes,
      isLinked: fc.boolean(),
    });
    fc.assert(
      fc.property(recorded, event => {
        const record = new RecordedEvent();
        record.setId(uuidOf(event.id, isStructured));
        record.setStreamIdentifier(streamOf(event.stream));
        record.setStreamRevision(String(event.revision));
        record.setCommitPosition(event.commit);
        record.setPreparePosition(event.prepare);
        record.setData(event.data);
        record.setCustomMetadata(event.metadata);
        record
          .getMetadataMap()
          .set('content-type', 'application/json')
          .set('created', String(BigInt(event.createdMs) * 10_000n + 1_234n))
          .set('type', event.type);
        const read = new ReadResp.ReadEvent();
        read.setEvent(record);
        read.setCommitPosition(event.commit);
        if (event.isLinked) read.setLink(new RecordedEvent());
        const answer = new ReadResp();
        answer.setEvent(read);

        expect(decodeReadMessage(encoded(answer)).event).toEqual({
          id: event.id,
          stream: event.stream,
          type: event.type,
          version: event.revision + 1,
          position: `esdb/${event.commit}/${event.prepare}`,
          createdMs: event.createdMs,
          data: Buffer.from(event.data),
          metadata: Buffer.from(event.metadata).toString(),
        });
      }),
    );
  });

  it('names its type, also behind one that is as long', () => {
    const typeOf = (type: string) => {
      const record = new RecordedEvent();
      record.getMetadataMap().set('type', type);
      const read = new ReadResp.ReadEvent();
      read.setEvent(record);
      const answer = new ReadResp();
      answer.setEvent(read);
      return decodeReadMessage(encoded(answer)).event?.type;
    };
    const types = [
      'ConnectorAuthFailed',
      'ConnectorSyncFailed',
      'ConnectorAuthFailed',
      'x',
      'y',
      '',
      'ä',
      'oe',
    ];

    expect(types.map(typeOf)).toEqual(types);
  });

  it('is understood when it is about the subscription', () => {
    const checkpoint = new ReadResp.Checkpoint();
    checkpoint.setCommitPosition('9007199254740993');
    checkpoint.setPreparePosition('9007199254740991');
    const make = (fill: (answer: InstanceType<typeof ReadResp>) => void) => {
      const answer = new ReadResp();
      fill(answer);
      return decodeReadMessage(encoded(answer));
    };

    expect(make(answer => answer.setCheckpoint(checkpoint))).toEqual({
      checkpoint: 'esdb/9007199254740993/9007199254740991',
    });
    expect(make(answer => answer.setCaughtUp(new ReadResp.CaughtUp()))).toEqual({ caughtUp: true });
    expect(make(answer => answer.setFellBehind(new ReadResp.FellBehind()))).toEqual({});
    expect(make(answer => answer.setStreamNotFound(new ReadResp.StreamNotFound()))).toEqual({});
    expect(make(answer => answer.setLastStreamPosition('7'))).toEqual({});
  });

  it('is refused when it ends in the middle', () => {
    const read = new ReadResp.ReadEvent();
    read.setEvent(new RecordedEvent());
    read.getEvent()?.setData(Buffer.from('{}'));
    const answer = new ReadResp();
    answer.setEvent(read);
    const whole = encoded(answer);

    expect(() => decodeReadMessage(Buffer.concat([whole, Buffer.from([0x0a])]))).toThrow(RangeError);
  });
});
