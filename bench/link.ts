/**
 * A link between a process and its database: what comes is handed on half a round trip later, as it came. In a thread of its
 * own, for its work is not the process's; the proxy that the tests count with takes every message apart, in the
 * same thread.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

export interface Link {
  /** The database's URL, by way of the link. */
  readonly url: string;
  close(): Promise<unknown>;
}

interface Ends {
  readonly host: string;
  readonly port: number;
  readonly rttMs: number;
}

export async function startLink(databaseUrl: string, rttMs: number): Promise<Link> {
  const url = new URL(databaseUrl);
  const ends: Ends = { host: url.hostname, port: Number(url.port || 5432), rttMs };
  const worker = new Worker(new URL(import.meta.url), { workerData: ends });
  const [port] = (await once(worker, 'message')) as [number];
  url.hostname = '127.0.0.1';
  url.port = String(port);
  return { url: url.href, close: () => worker.terminate() };
}

async function serve({ host, port, rttMs }: Ends): Promise<number> {
  const server = createServer(near => {
    const far = connect(port, host);
    // Timers know whole milliseconds: one way takes what the other does not.
    for (const [from, to, delayMs] of [
      [near, far, Math.floor(rttMs / 2)],
      [far, near, Math.ceil(rttMs / 2)],
    ] as const) {
      from.setNoDelay(true);
      from.on('error', () => undefined);
      from.on('close', () => setTimeout(() => to.destroy(), delayMs));
      from.on('data', bytes => setTimeout(() => to.destroyed || to.write(bytes), delayMs));
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

if (!isMainThread) parentPort?.postMessage(await serve(workerData as Ends));
