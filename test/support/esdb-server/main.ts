/**
 * The test server as a process of its own, to be killed: `node --import ./test/support/typescript.mjs main.ts <port>
 * <journal> [version]`. Started again with the same two it is the server it was.
 */
import { EventLog } from './event-log.js';
import { openJournal } from './journal.js';
import { Node } from './node.js';
import type { ServerVersion } from './versions.js';

const [port, journal, version] = process.argv.slice(2);
if (!port || !journal)
  throw new Error('two arguments or three: a port, 0 for any, the journal file, and the version to speak as');
const node = new Node({
  log: new EventLog(openJournal(journal)),
  port: Number(port),
  version: version as ServerVersion,
});
await node.start();
process.stdout.write(`listening on port ${node.port}\n`);
