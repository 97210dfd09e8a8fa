/**
 * What stands before every call: faults to suffer, who is asking, and whether this node may answer. A call that
 * is to be stalled is left alone until the client gives it up.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Metadata } from '@grpc/grpc-js';
import { type Action, authenticate, type Users } from './access.js';
import type { EventLog } from './event-log.js';
import { accessDenied, type CallFailure, notLeader, notReady, unavailable } from './failures.js';
import type { Fault, Faults, Rpc } from './faults.js';
import type { ServerVersion, VersionTraits } from './versions.js';

export interface NodeState {
  readonly faults: Faults;
  readonly version: ServerVersion;
  readonly traits: VersionTraits;
  /** `undefined` lets everyone in. */
  readonly users: Users | undefined;
  /** Counts the messages that reads were answered with. */
  onMessage(): void;
  /** Where the leader is, or that there is none, when it is not this node. */
  leaderElsewhere(): { readonly host: string; readonly port: number } | 'nowhere' | undefined;
  isAllowed(action: Action, stream: string, metadata: Metadata): boolean;
  /** The log to write to; undefined when not enough nodes took it in time. */
  writable(): Promise<EventLog | undefined>;
}

export interface GuardedCall {
  readonly metadata: Metadata;
  emit(event: 'error', failure: CallFailure): boolean;
}

/** @returns `stop` when the call is dealt with; otherwise what it has yet to suffer */
export async function guard(
  state: NodeState,
  rpc: Rpc,
  call: GuardedCall,
): Promise<'stop' | Fault | undefined> {
  const fault = state.faults.take(rpc);
  if (fault?.kind === 'stall') return 'stop';
  if (fault?.kind === 'slow') await sleep(fault.delayMs);
  const failure = refusal(state, fault, call.metadata);
  if (!failure) return fault;
  call.emit('error', failure);
  return 'stop';
}

function refusal(state: NodeState, fault: Fault | undefined, metadata: Metadata): CallFailure | undefined {
  if (fault?.kind === 'refuse') return unavailable;
  if (fault?.kind === 'deny') return accessDenied;
  const leader = state.leaderElsewhere();
  if (leader && metadata.get('requires-leader')[0] === 'true') {
    return leader === 'nowhere' ? notReady : notLeader(leader.host, leader.port);
  }
  return authenticate(state.users, metadata);
}
