/** What the benchmarks use of autocannon 9, which brings no types. */
declare module 'autocannon' {
  import type { EventEmitter } from 'node:events';

  interface Request {
    readonly method: string;
    readonly path: string;
    readonly body?: string | undefined;
    readonly headers?: Readonly<Record<string, string>>;
  }
  interface Options {
    readonly url: string;
    readonly connections: number;
    /** Seconds. */
    readonly duration: number;
    readonly requests: readonly Request[];
    setupClient(client: { setRequests(requests: readonly Request[]): void }): void;
  }
  interface Result {
    readonly errors: number;
    readonly timeouts: number;
  }
  interface Instance extends Promise<Result>, EventEmitter {
    on(
      event: 'response',
      heard: (client: unknown, status: number, bytes: number, tookMs: number) => void,
    ): this;
  }
  export default function autocannon(options: Options): Instance;
}
