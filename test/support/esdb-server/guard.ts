/**
 * What stands before every call: faults to suffer, who is asking, and whether this node may answer. A call that
 * is to be stalled is left alone until the client gives it up.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Metadata } from '@grpc/grpc-js';
import {
  accessDenied,
  type CallFailure,
  notLeader,
  notReady,
  unavailable,
  wrongCredentials,
} from './failures.js';
import type { Fault, Faults, Rpc } from './faults.js';

export interface NodeState {
  readonly faults: Faults;
  /** Passwords by user; `undefined` lets everyone in. */
  readonly users: Readonly<Record<string, string>> | undefined;
  /** Counts the messages that reads were answered with. */
  onMessage(): void;
  /** Where the leader is, or that there is none, when it is not this node. */
  leaderElsewhere(): { readonly host: string; readonly port: number } | 'nowhere' | undefined;
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
  return state.users && whoAsks(state.users, String(metadata.get('authorization')[0] ?? ''));
}

function whoAsks(users: Readonly<Record<string, string>>, header: string): CallFailure | undefined {
  if (header === '') return accessDenied;
  const [user = '', password] = Buffer.from(header.replace(/^Basic /, ''), 'base64')
    .toString()
    .split(':');
  return password !== undefined && users[user] === password ? undefined : wrongCredentials;
}
