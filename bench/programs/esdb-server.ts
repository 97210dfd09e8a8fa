/**
 * The server that EventStoreDB's benchmarks run against when no real one is named: the test suite's own, which speaks
 * the protocol over a real socket, in a process of its own, so that its work is not counted as the client's. What
 * it stores it keeps in memory: no figure here says how fast EventStoreDB is, only how two clients compare.
 *
 * Prints its ports on one line, then serves until its stdin ends. The second port says how many messages reads
 * and subscriptions were answered with so far, which no protocol tells.
 */
import { createServer } from 'node:net';
import { EventLog } from '../../test/support/esdb-server/event-log.js';
import { HOST, Node } from '../../test/support/esdb-server/node.js';

const node = new Node({ log: new EventLog() });
await node.start();
const counter = createServer(socket => socket.end(String(node.messagesSent)));
await new Promise<void>(resolve => counter.listen(0, HOST, resolve));
const { port: counterPort } = counter.address() as { port: number };
process.stdout.write(`${node.port} ${counterPort}\n`);

process.stdin.resume();
process.stdin.once('end', () => process.exit(0));
