/**
 * The protocol's messages and services, as the client's package generated them. They are CommonJS that names its
 * exports at run time, so nothing but a default import finds them.
 */
import gossipGrpc from '@eventstore/db-client/generated/gossip_grpc_pb.js';
import gossip from '@eventstore/db-client/generated/gossip_pb.js';
import featuresGrpc from '@eventstore/db-client/generated/serverfeatures_grpc_pb.js';
import features from '@eventstore/db-client/generated/serverfeatures_pb.js';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import status from '@eventstore/db-client/generated/status_pb.js';
import streamsGrpc from '@eventstore/db-client/generated/streams_grpc_pb.js';
import streams from '@eventstore/db-client/generated/streams_pb.js';
import any from 'google-protobuf/google/protobuf/any_pb.js';
import empty from 'google-protobuf/google/protobuf/empty_pb.js';

export const { GossipService } = gossipGrpc;
export const { ClusterInfo, EndPoint, MemberInfo } = gossip;
export const { ServerFeaturesService } = featuresGrpc;
export const { SupportedMethod, SupportedMethods } = features;
export const { StreamsService } = streamsGrpc;
export const { AppendResp, BatchAppendResp, DeleteResp, ReadReq, ReadResp, TombstoneResp } = streams;
export const { AllStreamPosition, StreamDeleted, StreamIdentifier, UUID, WrongExpectedVersion } = shared;
export const { AccessDenied, BadRequest, MaximumAppendSizeExceeded, Timeout } = shared;
export const SharedEmpty = shared.Empty;
export const { Status } = status;
export const { Any } = any;
export const { Empty } = empty;
