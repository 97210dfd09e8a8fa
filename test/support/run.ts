/** Runs a program of ours as a process of its own, as a user would, and collects what it says. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export interface RunOptions {
  /** On top of this process's environment; undefined removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Default: the project's directory. */
  readonly cwd?: string;
  readonly input?: string;
  /** Sends a signal as soon as a line of stdout or stderr matches. */
  readonly signalAfter?: { readonly line: RegExp; readonly signal: NodeJS.Signals };
  readonly uid?: number;
  readonly gid?: number;
}

export interface RunResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface SpawnedNode {
  readonly process: ChildProcessWithoutNullStreams;
  /** Resolves when the process has ended and its output is complete. */
  readonly ended: Promise<RunResult>;
  /**
   * Resolves with the first line of stdout or stderr, past or to come, that matches.
   *
   * @throws when the process ends without one
   */
  waitForLine(pattern: RegExp): Promise<string>;
}

export const projectDirectory = fileURLToPath(new URL('../../', import.meta.url));

/** `node …args`, to its end. */
export function runNode(args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const spawned = spawnNode(args, options);
  const { signalAfter } = options;
  if (signalAfter) {
    spawned.waitForLine(signalAfter.line).then(
      () => spawned.process.kill(signalAfter.signal),
      // It ended without the line: the result shows what it said instead.
      () => {},
    );
  }
  spawned.process.stdin.end(options.input ?? '');
  return spawned.ended;
}

/** `node …args`, left running: end it in the test, or wait for it. */
export function spawnNode(args: readonly string[], options: RunOptions = {}): SpawnedNode {
  const env: NodeJS.ProcessEnv = { ...process.env, ...options.env };
  for (const [name, value] of Object.entries(env)) if (value === undefined) delete env[name];
  const child = spawn(process.execPath, [...args], {
    cwd: options.cwd ?? projectDirectory,
    env,
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.gid ?? options.uid }),
  });
  const said = { stdout: '', stderr: '' };
  const listeners = new Set<() => void>();
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (chunk: string) => {
      said[name] += chunk;
      for (const listener of listeners) listener();
    });
  }
  // A program that ends before it read its input closes the pipe.
  child.stdin.on('error', () => {});
  const ended = new Promise<RunResult>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal, ...said }));
  });
  return {
    process: child,
    ended,
    waitForLine: pattern =>
      new Promise((resolve, reject) => {
        const look = () => {
          const line = `${said.stdout}\n${said.stderr}`.split('\n').find(text => pattern.test(text));
          if (line === undefined) return;
          listeners.delete(look);
          resolve(line);
        };
        listeners.add(look);
        look();
        ended.then(({ code, signal }) => {
          reject(
            new Error(
              `ended (${signal ?? code}) without a line like ${pattern}:\n${said.stdout}${said.stderr}`,
            ),
          );
        }, reject);
      }),
  };
}
