/** The gateway as a process of its own, to be killed: `node --import ./test/support/typescript.mjs main.ts <port> <url> <prefix>`. */
import { Gateway } from './index.js';

const [port, url, prefix] = process.argv.slice(2);
if (!port || !url || !prefix)
  throw new Error('three arguments: a port, 0 for any, the real URL and a prefix');
const gateway = new Gateway({ port: Number(port), url, prefix });
await gateway.open();
process.stdout.write(`listening on port ${gateway.port}\n`);
