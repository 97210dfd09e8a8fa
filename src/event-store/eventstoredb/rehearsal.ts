/**
 * Reading and writing rehearsed, leaving nothing behind: an append that names a revision which the stream cannot have is
 * refused as a conflict by a server that would have taken it, and as a missing right by one that would not. (`doctor` said
 * ok to a user who might not write.)
 */
import { ConnectorStateError } from '../../base/errors.js';
import { hitsStreamOf, stateStreamOf } from '../../events/streams.js';
import { appendAlone, collect, withRetries } from './calls.js';
import type { Node } from './connection.js';
import { EventStoreFailure, toFailure } from './failure.js';
import type { Interruption } from './interruption.js';
import { ofLeader, type ReadContext } from './read.js';
import { allBackwards, type OrderedRead, streamRead } from './read-requests.js';

export interface Rehearsal {
  /** As the server tells it; `undefined` when it does not. */
  readonly version: string | undefined;
  /** `host:port` of the node that takes appends. */
  readonly node: string;
  /** What may not be done, in the order tried; empty when all may. */
  readonly problems: readonly string[];
}

const NOBODY = { userId: 'connector-state-doctor', credentialId: 'rehearsal' };
const IMPOSSIBLE_VERSION = 2 ** 40;

/** @throws ConnectorStateError when the server cannot be reached */
export async function rehearse(context: ReadContext, setsRetention: boolean): Promise<Rehearsal> {
  const bounds = { timeoutMs: context.readTimeoutMs };
  return withRetries(ofLeader(context), 'rehearse reading and writing', bounds, async (node, operation) => {
    const { host, port } = node.endpoint;
    const version = await node.stub.serverVersion(node.metadata).catch(() => undefined);
    const problems: string[] = [];
    const attempt = (what: string, work: Promise<unknown>) =>
      work.catch(error => {
        const failure = toFailure(error, what);
        const isOfStream = failure instanceof EventStoreFailure && failure.refused.size > 0;
        if (!isOfStream && !isDenied(failure)) throw failure;
        problems.push(failure.message);
      });
    const read = (request: OrderedRead) => collect(node, request, operation, () => undefined);
    const stream = stateStreamOf(NOBODY);
    await attempt('read $all', read(allBackwards(1)));
    await attempt(`read ${stream}`, read(streamRead(stream, LAST)));
    await attempt(`append to ${stream}`, write(node, stream, operation));
    if (setsRetention) {
      const metadata = `$$${hitsStreamOf(NOBODY)}`;
      await attempt(`read ${metadata}`, read(streamRead(metadata, LAST)));
      await attempt(`append to ${metadata}`, write(node, metadata, operation));
    }
    return { version, node: `${host}:${port}`, problems };
  });
}

const isDenied = (failure: Error): boolean => failure.message.includes('access denied');

const LAST = { direction: 'backwards', fromVersion: undefined, count: 1 } as const;

async function write(node: Node, stream: string, operation: Interruption): Promise<void> {
  const event = {
    id: crypto.randomUUID(),
    type: 'Rehearsal',
    data: Buffer.from('{}'),
    metadata: Buffer.from('{}'),
  };
  const receipt = await appendAlone(
    node,
    { stream, version: IMPOSSIBLE_VERSION, events: [event] },
    operation,
  );
  if (receipt?.outcome !== 'conflict') {
    throw new ConnectorStateError(
      'EVENT_STORE_FAILED',
      `the event store took an append to ${stream} at a revision it does not have`,
    );
  }
}
