/**
 * Another process that uses an embedded PostgreSQL: says `ready <owned> <url>`, then obeys a word on stdin:
 * `stop` gives the server back and ends, `exit` ends without doing so.
 *
 * Usage: node embedded-child.mjs <data directory>
 */
import { createInterface } from 'node:readline';

const { startEmbeddedPostgres } = await import('../../dist/src/postgres/embedded/index.js');

const say = text => process.stdout.write(`${text}\n`);

try {
  const server = await startEmbeddedPostgres({ dataDir: process.argv[2], durable: false });
  say(`ready ${server.owned} ${server.url}`);
  for await (const word of createInterface({ input: process.stdin })) {
    if (word === 'exit') process.exit(0);
    if (word === 'stop') break;
  }
  // An open pipe would keep the process alive.
  process.stdin.destroy();
  await server.stop();
  say('stopped');
} catch (error) {
  say(`failed ${error.code} ${error.message}`);
  process.exitCode = 1;
}
