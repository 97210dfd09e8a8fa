/** `connector-state serve` as a process of its own, as whoever opens the dashboard has it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

export interface Served {
  readonly url: string;
  stop(): Promise<void>;
}

export async function serve(databaseUrl: string): Promise<Served> {
  const child = spawn(process.execPath, [MAIN, 'serve', '--port', '0'], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, DATABASE_URL: databaseUrl, LOG_LEVEL: 'error' },
  });
  const ended = once(child, 'exit');
  const said: string[] = [];
  const url = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stderr }).on('line', line => {
      said.push(line);
      const found = /listening on (http:\S+?):? /.exec(line)?.[1];
      if (found) resolve(found);
    });
    child.once('exit', code => reject(new Error(`serve ended with code ${code}: ${said.join('\n')}`)));
  });
  return {
    url,
    async stop() {
      child.kill('SIGINT');
      await ended;
    },
  };
}
