/** Runs one worker process to its end, or kills it when the signal fires. */
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { WorkerResult, WorkerTask } from './worker-task.js';

const WORKER = fileURLToPath(new URL('./worker.js', import.meta.url));

/** @throws the signal's reason; Error when the worker did not answer */
export async function runWorker(task: WorkerTask, signal: AbortSignal): Promise<WorkerResult> {
  signal.throwIfAborted();
  const child = spawn(process.execPath, [WORKER], { stdio: ['pipe', 'pipe', 'inherit'] });
  const kill = () => child.kill('SIGKILL');
  signal.addEventListener('abort', kill, { once: true });
  try {
    const ended = new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    // A worker that was killed breaks the pipe; that it ended is told by `close`.
    child.stdin.on('error', () => {});
    child.stdin.end(JSON.stringify(task));
    const [answer, code] = await Promise.all([text(child.stdout), ended]);
    signal.throwIfAborted();
    if (code !== 0)
      throw new Error(`the demo's worker process ended with code ${code}; its messages are above`);
    return JSON.parse(answer) as WorkerResult;
  } finally {
    signal.removeEventListener('abort', kill);
    kill();
  }
}
