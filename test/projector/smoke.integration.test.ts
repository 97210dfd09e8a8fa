import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import type { Pool } from 'pg';
import { createPostgresEventStore } from '../../src/event-store/postgres/index.js';
import { pg } from '../../src/postgres/driver.js';
import { createProjector } from '../../src/projector/index.js';
import { stateStreamOf, hitsStreamOf } from '../../src/events/streams.js';
import { createTestDatabase } from '../support/database.js';

let db: Awaited<ReturnType<typeof createTestDatabase>>; let pool: Pool;
beforeAll(async () => { db = await createTestDatabase(); pool = new pg.Pool({ connectionString: db.url, max: 5 }); });
afterAll(async () => { await pool.end(); await db.drop(); });
it('bench', async () => {
  const store = createPostgresEventStore({ pool });
  const total = Number(process.env.BENCH_EVENTS ?? 100_000);
  const c = (i: number) => ({ userId: `user-${i % 2000}`, credentialId: `cred-${i}`, exchange: i % 2 ? 'BYBIT' as const : 'BINGX' as const, environment: 'MAINNET' as const });
  const t0 = 1_760_000_000_000;
  let rnd = 1; const random = () => (rnd = (rnd * 48271) % 2147483647) / 2147483647;
  for (let n = 0; n < total; n += 1000) {
    await store.append(Array.from({ length: 1000 }, (_, k) => {
      const i = Math.floor(random() * 10_000); const at = t0 + (n + k) * 20;
      const hit = random() < Number(process.env.BENCH_HITS ?? 0.7);
      return hit ? { id: randomUUID(), type: 'ConnectorStateHit' as const, stream: hitsStreamOf(c(i)), occurredAt: at, host: 'h/1', data: { ...c(i), tier: 'memory' as const, count: 3, firstAt: at, lastAt: at + 5 } }
      : { id: randomUUID(), type: 'ConnectorSynced' as const, stream: stateStreamOf(c(i)), occurredAt: at, host: 'h/1', data: { ...c(i), syncId: randomUUID(), basis: 'measured' as const, trigger: 'expired' as const, offsetMs: 12.5 + random(), uncertaintyMs: 20 + random(), roundTripMs: 40, samples: 3, referenceClock: 'pg:1:1', measuredAt: at, ttlMs: 900_000, ttlPolicy: 'fixed', ttlInputs: { ttlMs: 900000 } } };
    }));
  }
  const projector = createProjector({ store, pool, pageSize: Number(process.env.BENCH_PAGE ?? 4000) });
  global.gc?.();
  const m0 = process.memoryUsage(); const s = performance.now();
  let peak = 0; const timer = setInterval(() => { peak = Math.max(peak, process.memoryUsage().rss); }, 50);
  const controller = new AbortController();
  if (process.env.BENCH_RUN) {
    const running = projector.run({ signal: controller.signal });
    while (projector.counters.events < total) await new Promise(r => setTimeout(r, 20));
    controller.abort(); await running;
  } else await projector.catchUp({ timeoutMs: 1e9 });
  clearInterval(timer);
  const dt = performance.now() - s;
  process.stderr.write(`BENCH ${total} events in ${dt.toFixed(0)} ms = ${(total / dt * 1000).toFixed(0)}/s rss ${(m0.rss / 1e6).toFixed(0)} -> peak ${(peak / 1e6).toFixed(0)} ${JSON.stringify(projector.counters)}\n`);
  const s2 = performance.now();
  const v = await projector.verify();
  process.stderr.write(`VERIFY ${(performance.now() - s2).toFixed(0)} ms ${JSON.stringify(v)}\n`);
  expect(v.equal).toBe(true);
  await store.close();
}, 600_000);
