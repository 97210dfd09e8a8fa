/** What a client asks before its first call: what the server can do, and who else is in the cluster. */
import type { ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js';
import { guard, type NodeState } from './guard.js';
import { ClusterInfo, EndPoint, MemberInfo, SupportedMethod, SupportedMethods, UUID } from './protocol.js';

export interface Member {
  readonly host: string;
  readonly port: number;
  readonly isLeader: boolean;
  readonly isAlive: boolean;
}

const STREAMS = 'event_store.client.streams.streams';
const METHODS: readonly (readonly [string, string, readonly string[]])[] = [
  [STREAMS, 'read', ['position', 'events']],
  [STREAMS, 'append', []],
  [STREAMS, 'batchappend', ['deadline_duration']],
  [STREAMS, 'delete', []],
  [STREAMS, 'tombstone', []],
  ['event_store.client.gossip.gossip', 'read', []],
  ['event_store.client.server_features.serverfeatures', 'getsupportedmethods', []],
];

export const getSupportedMethods =
  (state: NodeState) =>
  async (
    call: ServerUnaryCall<unknown, InstanceType<typeof SupportedMethods>>,
    answer: sendUnaryData<InstanceType<typeof SupportedMethods>>,
  ) => {
    // The client asks this without credentials.
    if ((await guard({ ...state, users: undefined }, 'getSupportedMethods', call)) === 'stop') return;
    const supported = new SupportedMethods();
    supported.setEventStoreServerVersion(state.version);
    for (const [service, name, features] of METHODS) {
      const method = new SupportedMethod();
      method.setServiceName(service);
      method.setMethodName(name);
      method.setFeaturesList([...features]);
      supported.addMethods(method);
    }
    answer(null, supported);
  };

export const gossip =
  (state: NodeState, members: () => readonly Member[]) =>
  async (
    call: ServerUnaryCall<unknown, InstanceType<typeof ClusterInfo>>,
    answer: sendUnaryData<InstanceType<typeof ClusterInfo>>,
  ) => {
    if ((await guard({ ...state, users: undefined }, 'gossip', call)) === 'stop') return;
    const info = new ClusterInfo();
    for (const { host, port, isLeader, isAlive } of members()) {
      const id = new UUID();
      id.setString(crypto.randomUUID());
      const endpoint = new EndPoint();
      endpoint.setAddress(host);
      endpoint.setPort(port);
      const member = new MemberInfo();
      member.setInstanceId(id);
      member.setTimeStamp(String(Date.now()));
      member.setState(isLeader ? MemberInfo.VNodeState.LEADER : MemberInfo.VNodeState.FOLLOWER);
      member.setIsAlive(isAlive);
      member.setHttpEndPoint(endpoint);
      info.addMembers(member);
    }
    answer(null, info);
  };
