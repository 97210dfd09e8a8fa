/**
 * Load for a server that its parent runs, in a process of its own so that it takes no turns from it: rounds of requests over
 * kept connections (autocannon), told by message, answered with what was served.
 */
import autocannon from 'autocannon';

export interface LoadTask {
  readonly url: string;
  readonly connections: number;
  readonly seconds: number;
  /** Each connection sends some of them in turn, beginning at another: to prepare all for each would take seconds. */
  readonly requests: readonly LoadRequest[];
}

export interface LoadRequest {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: string;
}

export interface LoadAnswer {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Other statuses than 200, and connections that broke. */
  readonly failed: number;
}

const OF_EACH = 16;

process.on('message', (task: LoadTask) => {
  void run(task).then(answer => process.send?.(answer));
});

async function run({ url, connections, seconds, requests }: LoadTask): Promise<LoadAnswer> {
  const latencies: number[] = [];
  let failed = 0;
  let clients = 0;
  const prepared = requests.map(request => ({ ...request, headers: { 'content-type': 'application/json' } }));
  const load = autocannon({
    url,
    connections,
    duration: seconds,
    requests: prepared.slice(0, 1),
    setupClient(client) {
      const from = Math.floor((clients++ * prepared.length) / connections);
      client.setRequests([...prepared.slice(from), ...prepared.slice(0, from)].slice(0, OF_EACH));
    },
  });
  load.on('response', (_client, status, _bytes, tookMs) => {
    if (status === 200) latencies.push(tookMs);
    else failed += 1;
  });
  const startedMs = performance.now();
  const { errors, timeouts } = await load;
  const tookSeconds = (performance.now() - startedMs) / 1_000;
  const sorted = Float64Array.from(latencies).sort();
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  return {
    perSecond: sorted.length / tookSeconds,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    failed: failed + errors + timeouts,
  };
}
