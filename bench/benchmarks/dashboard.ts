/**
 * The dashboard in a real Chromium, over `connector-state serve` as a process of its own: how soon it can be used, a year of
 * a clock, dragging, a day of live events, and what a hundred of it cost who looks up.
 */
import { chromiumPath, NO_BROWSER, openBrowser } from '../../test/dashboard/browser.js';
import type { Benchmark } from '../benchmark.js';
import { measureCrowd } from '../dashboard/crowd.js';
import { fillYear, SAMPLES_A_DAY } from '../dashboard/fill.js';
import { measureLive } from '../dashboard/live.js';
import { measureOpening } from '../dashboard/opening.js';
import { serve } from '../dashboard/service.js';
import { measureYear } from '../dashboard/year.js';
import { against, type Figure } from '../report.js';
import { fillClocks, fillStates } from '../states.js';

const PAGES = 100;
const STATES = 10_000;

const atMost = (value: number) => ({ on: 'value', kind: 'at most', value }) as const;
const atLeast = (value: number) => ({ on: 'value', kind: 'at least', value }) as const;

export const dashboard: Benchmark = {
  name: 'dashboard',
  title: 'The dashboard, in Chromium',
  async run({ server, signal, isQuick, progress }) {
    if (chromiumPath === undefined) return { figures: [], notes: [`Not measured: ${NO_BROWSER}.`] };
    return server.withDatabase('dashboard', async databaseUrl => {
      const figures: Figure[] = [];
      const filled = await fillYear(databaseUrl, isQuick, progress);
      await fillStates(databaseUrl, STATES);
      await fillClocks(databaseUrl);
      const service = await serve(databaseUrl);
      const opened = await openBrowser();
      // Whatever waits for a page then fails.
      signal.addEventListener('abort', () => void opened.close(), { once: true });
      try {
        progress('opening');
        const opening = await measureOpening(opened.browser, service.url, isQuick ? 2 : 9);
        figures.push(
          {
            name: 'first visit, until it can be used',
            value: opening.usableMs,
            unit: 'ms',
            limit: atMost(300),
          },
          { name: 'first visit, until the overview has its figures', value: opening.figuresMs, unit: 'ms' },
        );
        progress('a year');
        const year = await measureYear(opened.browser, service.url, isQuick ? 1 : 5);
        figures.push(
          {
            name: `a year of a clock, click to painted`,
            value: year.drawnMs,
            unit: 'ms',
            limit: atMost(1_000),
          },
          { name: 'dragging it, frames', value: year.framesPerSecond, unit: '/s', limit: atLeast(30) },
          { name: 'dragging it, the longest frame', value: year.longestFrameMs, unit: 'ms' },
        );
        progress('a hundred dashboards');
        const crowd = await measureCrowd({
          browser: opened.browser,
          url: service.url,
          databaseUrl,
          pages: PAGES,
          states: STATES,
          eventsADay: SAMPLES_A_DAY,
          rounds: isQuick ? 1 : 5,
          roundMs: isQuick ? 4_000 : 12_000,
        });
        figures.push(
          {
            name: `lookup p99 with ${PAGES} dashboards open`,
            value: crowd.among.p99Ms,
            unit: 'ms',
            peer: { name: 'without', value: crowd.alone.p99Ms },
            ratio: crowd.ratio,
            limit: { on: 'ratio', kind: 'at most', value: 1.2 },
          },
          {
            name: 'lookup p50 with them',
            value: crowd.among.p50Ms,
            unit: 'ms',
            ...against('without', crowd.alone.p50Ms, crowd.among.p50Ms),
          },
          { name: 'reloads of theirs', value: crowd.reloadsPerSecond, unit: '/s' },
          { name: 'answers other than 200 to them', value: crowd.refused, unit: 'events', limit: atMost(0) },
        );
        progress('a day of live events');
        const events = isQuick ? 5_000 : Math.round(SAMPLES_A_DAY);
        const live = await measureLive(opened.browser, service.url, databaseUrl, events, signal);
        figures.push({
          name: 'page memory after a day of live events',
          value: live.afterMb,
          unit: 'MB',
          ...against('a quarter through', live.beforeMb, live.afterMb),
          limit: { on: 'ratio', kind: 'at most', value: 1.2 },
        });
        return {
          figures,
          notes: [
            filled,
            `Lookups: 50 a second over HTTP of ${STATES} states; each dashboard follows the feed and makes the ${crowd.asks} request(s) of an overview after an event, at most every 3 s; an event every ${Math.round(86_400_000 / SAMPLES_A_DAY)} ms. Service, database, dashboards and lookups share the machine's processors.`,
            `A day of live events: ${live.events}, as fast as they can be recorded; the page asked again ${live.reloads} times.`,
          ],
        };
      } finally {
        await opened.close();
        await service.stop();
      }
    });
  },
};
