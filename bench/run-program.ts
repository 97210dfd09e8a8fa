/**
 * Runs one of programs/ in a process of its own, as each measurement is: nothing that another left in memory,
 * in the code cache or in the heap can help or hurt it. The task goes in on stdin, for it may hold a password.
 */
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

export interface RunOptions {
  readonly signal: AbortSignal;
  /** Of the process, over this one's. */
  readonly env?: Readonly<Record<string, string>>;
}

/** @param program its file name in programs/, without extension */
export async function runProgram<Answer>(
  program: string,
  task: object,
  { signal, env }: RunOptions,
): Promise<Answer> {
  const path = fileURLToPath(new URL(`./programs/${program}.js`, import.meta.url));
  return JSON.parse(
    await runScript(path, [], JSON.stringify(task), { signal, ...(env && { env }) }),
  ) as Answer;
}

/** @returns what the script wrote on stdout */
export async function runScript(
  path: string,
  args: readonly string[],
  input: string,
  { signal, env }: RunOptions,
): Promise<string> {
  signal.throwIfAborted();
  const child = spawn(process.execPath, [path, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  // SIGINT, because the demo has a server of its own to stop.
  const interrupt = () => child.kill('SIGINT');
  signal.addEventListener('abort', interrupt, { once: true });
  try {
    const ended = new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    // A process that ended early breaks the pipe; that it ended is told by `close`.
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
    signal.throwIfAborted();
    if (code !== 0) throw new Error(`${path} ended with code ${code}: ${stderr.slice(-2_000)}`);
    return stdout;
  } finally {
    signal.removeEventListener('abort', interrupt);
  }
}
