/**
 * The protocol's messages and its stub, as `@eventstore/db-client` publishes them.
 *
 * We call the stub and not the package's `Client`. Version 6.2.1 of it, the last, gives a batch append no deadline;
 * keeps the appends of all clients of a process in one module-wide map, so that one client's broken stream
 * rejects another's appends and the answer that then arrives for one throws where nobody can catch it; reads and
 * subscribes without a deadline and never subscribes again; asks for the server's features without a deadline;
 * rejects nobody's promise when discovery fails; drops credentials over plain text and prints a connection
 * string with its password for an option it does not know. What is below all that, messages, services and gRPC,
 * is sound, and is what the client itself is made of.
 *
 * The generated files are CommonJS that names its exports at run time: only a default import finds them.
 */
import gossipGrpc from '@eventstore/db-client/generated/gossip_grpc_pb.js';
import gossip from '@eventstore/db-client/generated/gossip_pb.js';
import serverFeaturesGrpc from '@eventstore/db-client/generated/serverfeatures_grpc_pb.js';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import streamsGrpc from '@eventstore/db-client/generated/streams_grpc_pb.js';
import streams from '@eventstore/db-client/generated/streams_pb.js';
import protobuf from 'google-protobuf';

export type { ReadReq as ReadRequest } from '@eventstore/db-client/generated/streams_pb.js';

export const { GossipClient } = gossipGrpc;
export const { MemberInfo } = gossip;
export const { Empty, StreamIdentifier, WrongExpectedVersion } = shared;
export const { ServerFeaturesService } = serverFeaturesGrpc;
export const { StreamsService } = streamsGrpc;
export const { BatchAppendResp, ReadReq } = streams;
export const { BinaryWriter } = protobuf;
export type BinaryWriter = protobuf.BinaryWriter;
