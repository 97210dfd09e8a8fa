/**
 * A day of live events in one page: as many as a day has, as fast as they can be recorded, with what the page waits between
 * two reloads cut from four seconds to a fifth of one. What the page keeps is measured by
 * the browser after a collection, a dozen times: it saws by a few hundred kilobytes, and what counts is the line through the
 * last three quarters, as in the other benchmarks of memory.
 */
import type { Browser, CDPSession } from 'playwright-core';
import type { FillLogTask } from '../programs/fill-log.js';
import { runProgram } from '../run-program.js';
import { trend } from '../statistics.js';

export interface Live {
  /** Of the line through the last three quarters: where it begins and where it ends. */
  readonly beforeMb: number;
  readonly afterMb: number;
  readonly events: number;
  readonly reloads: number;
}

const MB = 1024 * 1024;
const PARTS = 12;
/** Runs in the page, before its own scripts. */
const HURRY = `
  const [later, ask] = [setTimeout, fetch];
  globalThis.setTimeout = (work, ms, ...given) => later(work, ms === 1000 ? 100 : ms, ...given);
  globalThis.fetch = (url, how) => ask(String(url).replace('gatherMs=3000', 'gatherMs=100'), how);`;

export async function measureLive(
  browser: Browser,
  url: string,
  databaseUrl: string,
  events: number,
  signal: AbortSignal,
): Promise<Live> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  await page.addInitScript(HURRY);
  let reloads = 0;
  page.on('request', request => {
    if (request.url().includes('/v1/overview')) reloads++;
  });
  await page.goto(url);
  await page.locator('.live.live').waitFor();
  const cdp = await context.newCDPSession(page);
  const record = (count: number) => {
    const task: FillLogTask = { databaseUrl, connectors: 1_000, events: count };
    return runProgram('fill-log', task, { signal });
  };
  const rest = () => page.waitForTimeout(2_000);
  const kept: [part: number, mb: number][] = [];
  for (let part = 1; part <= PARTS; part++) {
    await record(Math.ceil(events / PARTS));
    await rest();
    kept.push([part, await keptMb(cdp)]);
  }
  const first = PARTS / 4 + 1;
  const line = trend(kept.filter(([part]) => part >= first));
  await context.close();
  return { beforeMb: line(first), afterMb: line(PARTS), events, reloads };
}

async function keptMb(cdp: CDPSession): Promise<number> {
  await cdp.send('Performance.enable');
  // Finalizers of the first make garbage of their own.
  await cdp.send('HeapProfiler.collectGarbage');
  await cdp.send('HeapProfiler.collectGarbage');
  const { metrics } = await cdp.send('Performance.getMetrics');
  return (metrics.find(({ name }) => name === 'JSHeapUsedSize')?.value ?? Number.NaN) / MB;
}
