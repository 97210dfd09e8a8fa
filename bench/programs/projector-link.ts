/**
 * A projector at the other end of a link: a log caught up with, and pages of one event. Of this build or of another, whose
 * `dist` the task names; each makes the log and the tables by itself.
 */
import { startCountingProxy } from '../../test/support/counting-proxy.js';
import { median } from '../statistics.js';
import { answer, readTask } from './task.js';

export interface ProjectorLinkTask {
  /** `file:` URL of a build, ending in a slash. */
  readonly dist: string;
  readonly databaseUrl: string;
  readonly rttMs: number;
  readonly events: number;
}

export interface ProjectorLinkAnswer {
  readonly catchUpMs: number;
  readonly catchUpCpuMs: number;
  /** From asking to applied, the median. */
  readonly pageMs: number;
}

const CONNECTORS = 1_000;
const BATCH = 500;
const PAGES = 40;

const { dist, databaseUrl, rttMs, events } = readTask<ProjectorLinkTask>();
const load = <T>(path: string) => import(new URL(path, dist).href) as Promise<T>;
const { migrate } = await load<typeof import('../../src/read-model/migrate.js')>('src/read-model/migrate.js');
const { createPool } = await load<typeof import('../../src/postgres/pool.js')>('src/postgres/pool.js');
const { createPostgresEventStore } = await load<typeof import('../../src/event-store/postgres/index.js')>(
  'src/event-store/postgres/index.js',
);
const { createProjector } =
  await load<typeof import('../../src/projector/index.js')>('src/projector/index.js');
const { createWorkload } = await load<typeof import('../workload.js')>('bench/workload.js');

const nothing = () => undefined;
const log = { debug: nothing, info: nothing, warn: nothing, error: nothing } as never;
await migrate(databaseUrl);
const near = createPool({ connectionString: databaseUrl, max: 2, log });
const store = createPostgresEventStore({ pool: near });
const workload = createWorkload({ connectors: CONNECTORS, events, endsAtMs: Date.now() });
for (let made = 0; made < events; made += BATCH) {
  await store.append(Array.from({ length: BATCH }, (_, n) => workload.next(made + n)));
}

const proxy = await startCountingProxy(databaseUrl);
proxy.delay(rttMs / 2);
const far = createPool({ connectionString: proxy.url, max: 4, log });
const projector = createProjector({ store: createPostgresEventStore({ pool: far }), pool: far, log });
await projector.lag();
const startedMs = performance.now();
const startedCpu = process.cpuUsage();
while (!(await projector.catchUp()).caughtUp);
const { user, system } = process.cpuUsage(startedCpu);
const catchUpMs = performance.now() - startedMs;

const pages: number[] = [];
for (let n = 0; n < PAGES; n++) {
  await store.append([workload.next(events + n)]);
  const fromMs = performance.now();
  await projector.catchUp();
  pages.push(performance.now() - fromMs);
}
await Promise.all([near.end(), far.end()]);
await proxy.close();
answer({
  catchUpMs,
  catchUpCpuMs: (user + system) / 1_000,
  pageMs: median(pages),
} satisfies ProjectorLinkAnswer);
