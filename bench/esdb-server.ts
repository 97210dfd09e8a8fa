/**
 * The EventStoreDB that a benchmark runs against: the real one that `ESDB_TEST_URL` names, else the test server in
 * a process of its own (programs/esdb-server.ts).
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export interface EventStoreDbServer {
  readonly url: string;
  /** Tells how many messages it has answered reads with; a real server does not. */
  readonly counterPort: number | undefined;
  /** For the notes of a benchmark. */
  readonly description: string;
}

const PROGRAM = fileURLToPath(new URL('./programs/esdb-server.js', import.meta.url));
/** A million events lie in its heap. */
const HEAP_MB = 8_192;

export async function withEventStoreDb<T>(
  signal: AbortSignal,
  work: (server: EventStoreDbServer) => Promise<T>,
): Promise<T> {
  const url = process.env.ESDB_TEST_URL;
  if (url)
    return work({ url, counterPort: undefined, description: 'The server is the one ESDB_TEST_URL names.' });
  signal.throwIfAborted();
  const child = spawn(process.execPath, [`--max-old-space-size=${HEAP_MB}`, PROGRAM], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  try {
    const lines = createInterface({ input: child.stdout });
    const died = ended.then(([code]) => {
      throw new Error(`${PROGRAM} ended with code ${code} before it served`);
    });
    const [line] = (await Promise.race([once(lines, 'line', { signal }), died])) as [string];
    died.catch(() => undefined);
    const [port, counterPort] = line.split(' ').map(Number);
    return await work({
      url: `esdb://localhost:${port}?tls=false`,
      counterPort,
      description: 'The server is the test suite’s, in a process of its own, with its log in memory.',
    });
  } finally {
    child.stdin.end();
    await ended;
  }
}
