/**
 * The test server as a process of its own, to be killed: `node --import ./test/support/typescript.mjs main.ts <port>
 * <journal>`. Started again with the same two it is the server it was.
 */
import { EventLog } from './event-log.js';
import { openJournal } from './journal.js';
import { Node } from './node.js';

const [port, journal] = process.argv.slice(2);
if (!port || !journal) throw new Error('two arguments: a port, 0 for any, and the journal file');
const node = new Node({ log: new EventLog(openJournal(journal)), port: Number(port) });
await node.start();
process.stdout.write(`listening on port ${node.port}\n`);
