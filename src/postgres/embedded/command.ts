/**
 * Runs PostgreSQL's programs, as the user the server runs as.
 *
 * Node reports a program that cannot be started through an 'error' event, which is fatal when nobody listens
 * (that is how `spawn EACCES` kills a whole process); here it always becomes a value.
 *
 * A program in flight is interrupted when this process exits: initdb then removes what it made, and
 * `pg_ctl start` takes the server it is waiting for down with it.
 */
import { spawn } from 'node:child_process';

export interface Identity {
  readonly uid: number;
  readonly gid: number;
}

export interface CommandResult {
  /** null when the program was killed or never started. */
  readonly code: number | null;
  /** stdout and stderr as they came. */
  readonly output: string;
  /** Set when the program could not be started at all. */
  readonly startError?: NodeJS.ErrnoException;
}

export interface CommandOptions {
  /** Absent: as this process. */
  readonly as?: Identity | undefined;
  readonly input?: string;
  /** Default `/`, which every user can enter. */
  readonly cwd?: string;
}

export function run(
  file: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  return new Promise(resolve => {
    let output = '';
    const child = spawn(file, args, {
      ...surroundings(options.as),
      cwd: options.cwd ?? '/',
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const interrupt = () => child.kill('SIGINT');
    process.once('exit', interrupt);
    const finish = (result: CommandResult) => {
      process.off('exit', interrupt);
      resolve(result);
    };
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk;
    });
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk;
    });
    // A program that ends before it read its input closes the pipe; its exit code tells the story.
    child.stdin.on('error', () => {});
    child.once('error', startError => finish({ code: null, output, startError }));
    child.once('close', code => finish({ code, output }));
    child.stdin.end(options.input ?? '');
  });
}

/**
 * A small environment: PG* variables meant for a client must not reach the server, neither must the
 * application's secrets. Messages in English, for some are matched.
 */
function surroundings(as: Identity | undefined) {
  const env: NodeJS.ProcessEnv = { LC_ALL: 'C', TZ: 'UTC' };
  for (const name of ['PATH', 'LD_LIBRARY_PATH', 'DYLD_LIBRARY_PATH', 'TMPDIR']) {
    const value = process.env[name];
    if (value !== undefined) env[name] = value;
  }
  return { env, ...(as ? { uid: as.uid, gid: as.gid } : {}) };
}
