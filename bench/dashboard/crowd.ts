/**
 * What a hundred open dashboards cost who looks up: the same lookups over HTTP, at a fixed rate, in rounds with and without
 * them. Events come as often as on any day; the dashboards are programs/dashboard-crowd.ts, told what to ask by watching one
 * real page.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { Agent, get } from 'node:http';
import { fileURLToPath } from 'node:url';
import type { Browser } from 'playwright-core';
import { silentLogger } from '../../src/base/logging.js';
import { createConnectorState } from '../../src/composition/connector-state.js';
import type { CrowdAnswer, CrowdTask } from '../programs/dashboard-crowd.js';
import { connectorOf } from '../states.js';
import { median, quantile } from '../statistics.js';

export interface Crowd {
  readonly alone: Lookups;
  readonly among: Lookups;
  /** Medians of the pairs of rounds. */
  readonly ratio: number;
  readonly reloadsPerSecond: number;
  readonly refused: number;
  readonly asks: number;
}

interface Lookups {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const LOOKUPS_PER_SECOND = 50;
const PROGRAM = fileURLToPath(new URL('../programs/dashboard-crowd.js', import.meta.url));

export interface CrowdOptions {
  readonly browser: Browser;
  readonly url: string;
  readonly databaseUrl: string;
  readonly pages: number;
  readonly states: number;
  readonly eventsADay: number;
  readonly rounds: number;
  readonly roundMs: number;
}

export async function measureCrowd(options: CrowdOptions): Promise<Crowd> {
  const { browser, url, databaseUrl, pages, states, eventsADay, rounds, roundMs } = options;
  const state = await createConnectorState({ databaseUrl, logger: silentLogger, flushIntervalMs: 1 });
  let recorded = 0;
  const recording = setInterval(() => {
    const ref = connectorOf(recorded++ % states);
    state.cache.recordSyncFailure(ref, { trigger: 'expired', failureClass: 'timeout', durationMs: 1 });
  }, 86_400_000 / eventsADay);
  try {
    const seen = await asksOf(browser, url);
    const pairs: { alone: Lookups; among: Lookups }[] = [];
    let reloads = 0;
    let refused = 0;
    await lookUp(url, states, roundMs / 4);
    for (let round = 0; round < rounds; round++) {
      const alone = await lookUp(url, states, roundMs);
      const child = fork(PROGRAM);
      child.send({ url, pages, ...seen } satisfies CrowdTask);
      // Until they all have come.
      await new Promise(resolve => setTimeout(resolve, 4_000));
      const among = await lookUp(url, states, roundMs);
      child.send('end');
      const [answer] = (await once(child, 'message')) as [CrowdAnswer];
      reloads += answer.reloads;
      refused += answer.refused;
      pairs.push({ alone, among });
    }
    const of = (which: 'alone' | 'among'): Lookups => ({
      p50Ms: median(pairs.map(pair => pair[which].p50Ms)),
      p99Ms: median(pairs.map(pair => pair[which].p99Ms)),
    });
    return {
      alone: of('alone'),
      among: of('among'),
      ratio: median(pairs.map(({ alone, among }) => among.p99Ms / alone.p99Ms)),
      reloadsPerSecond: (reloads * 1_000) / (rounds * (roundMs + 4_000)),
      refused,
      asks: seen.asks.length,
    };
  } finally {
    clearInterval(recording);
    await state.close();
  }
}

/** What a page asks when an event has come: the second time, for the first is its opening. */
async function asksOf(browser: Browser, url: string): Promise<Omit<CrowdTask, 'url' | 'pages'>> {
  const page = await browser.newPage();
  let feed: string | undefined;
  page.on('request', request => {
    const { pathname, search } = new URL(request.url());
    if (pathname.endsWith('/feed')) feed = pathname + search;
  });
  await page.goto(url);
  await page.locator('.tiles').waitFor();
  await page.waitForTimeout(1_000);
  const asks = new Map<string, CrowdTask['asks'][number]>();
  page.on('request', request => {
    const { pathname, search } = new URL(request.url());
    if (!pathname.startsWith('/v1/') || pathname.endsWith('/feed')) return;
    const path = pathname + search;
    asks.set(path, { path, cacheControl: request.headers()['cache-control'] ?? '' });
  });
  await page.waitForRequest(/\/v1\/overview/);
  const askedAtMs = Date.now();
  await page.waitForTimeout(500);
  await page.close();
  if (feed === undefined) throw new Error('the page follows no feed');
  return { feed, asks: [...asks.values()], askedAtMs };
}

/** Open loop: a lookup that is late holds no other up. */
async function lookUp(url: string, states: number, durationMs: number): Promise<Lookups> {
  const times: number[] = [];
  const under: Promise<void>[] = [];
  // As a client's pool: what does not fit waits, and its wait is in its time.
  const agent = new Agent({ keepAlive: true, maxSockets: 16 });
  const startedMs = performance.now();
  for (let i = 0; ; i++) {
    const dueMs = startedMs + (i * 1_000) / LOOKUPS_PER_SECOND;
    if (dueMs > startedMs + durationMs) break;
    const waitMs = dueMs - performance.now();
    if (waitMs > 0) await new Promise(resolve => setTimeout(resolve, waitMs));
    const { exchange, environment, userId, credentialId } = connectorOf((i * 7_919) % states);
    const path = `/v1/connectors/${exchange}/${environment}/${userId}/${credentialId}/state`;
    const sentMs = performance.now();
    under.push(answered(`${url}${path}`, agent).then(() => void times.push(performance.now() - sentMs)));
  }
  await Promise.all(under);
  agent.destroy();
  return { p50Ms: quantile(times, 0.5), p99Ms: quantile(times, 0.99) };
}

const answered = (url: string, agent: Agent) =>
  new Promise<void>((resolve, reject) => {
    get(url, { agent }, response => {
      if (response.statusCode !== 200) reject(new Error(`a lookup was answered by ${response.statusCode}`));
      response.resume().once('end', resolve);
    }).once('error', reject);
  });
