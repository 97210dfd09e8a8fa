/** The protocol's messages and clients, as the client's package generated them: CommonJS that only a default import finds. */
import featuresGrpc from '@eventstore/db-client/generated/serverfeatures_grpc_pb.js';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import streamsGrpc from '@eventstore/db-client/generated/streams_grpc_pb.js';
import streams from '@eventstore/db-client/generated/streams_pb.js';

const { Empty, StreamIdentifier, UUID, WrongExpectedVersion } = shared;
const { AppendReq, BatchAppendReq, DeleteReq, ReadReq, TombstoneReq } = streams;

export const protocol = {
  Empty,
  StreamIdentifier,
  UUID,
  WrongExpectedVersion,
  AppendReq,
  BatchAppendReq,
  DeleteReq,
  ReadReq,
  TombstoneReq,
  StreamsClient: streamsGrpc.StreamsClient,
  ServerFeaturesClient: featuresGrpc.ServerFeaturesClient,
};
