/**
 * The dashboard in a real browser, over the real service and a week's past. `DASHBOARD_SHOTS=<folder>` keeps a picture of
 * every page at three widths, in light and dark, for people to look at.
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import type { Page } from 'playwright-core';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { itWhen } from '../support/it-when.js';
import { chromiumPath, NO_BROWSER, type OpenedBrowser, openBrowser, signIn, visit } from './browser.js';
import { HOSTILE_USERS, writePast } from './past.js';
import { type RunningService, startService } from './service.js';

const itInBrowser = itWhen(chromiumPath !== undefined, NO_BROWSER);
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const SHOTS = process.env.DASHBOARD_SHOTS;

const WIDTHS = [
  { name: 'phone', width: 360, height: 740 },
  { name: 'laptop', width: 1280, height: 900 },
  { name: '4k', width: 3840, height: 2160 },
];

const of = (user: string, credential: string) => `/connector?${new URLSearchParams({ user, credential })}`;
const PAGES = [
  { name: 'overview', path: '/', shows: 'Hit rate, 24 h' },
  { name: 'clocks', path: '/clocks?range=7d&exchange=BYBIT', shows: 'Distance to refusal' },
  { name: 'connectors', path: '/connectors', shows: 'user-009' },
  { name: 'connector', path: of('user-006', 'bybit-main'), shows: 'Its state as it was' },
  { name: 'usage', path: '/usage?range=7d', shows: 'Syncs saved' },
  { name: 'operations', path: '/operations', shows: 'Dead letters' },
];

let database: TestDatabase;
let service: RunningService;
let browser: OpenedBrowser;

beforeAll(async () => {
  if (chromiumPath === undefined) return;
  database = await createTestDatabase();
  await writePast(database.url);
  service = await startService(database.url);
  await service.project();
  browser = await openBrowser();
}, 120_000);

afterAll(async () => {
  await browser?.close();
  await service?.close();
  await database?.drop();
});

/** What axe finds wrong, as lines that say where. */
async function barriers(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  return page.evaluate(async () => {
    // biome-ignore lint/suspicious/noExplicitAny: axe puts itself there
    const { violations } = await (globalThis as any).axe.run();
    return violations.flatMap((v: { id: string; nodes: { html: string; failureSummary: string }[] }) =>
      v.nodes.map(node => `${v.id}: ${node.html.slice(0, 120)} ${node.failureSummary}`),
    );
  });
}

const overflow = (page: Page) =>
  page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');

async function settled(page: Page, shows: string): Promise<void> {
  await page.getByText(shows).first().waitFor();
  await page.waitForLoadState('load');
  // A page may have several parts that load.
  await page.locator('.loading').first().waitFor({ state: 'detached' });
}

describe('every page', () => {
  for (const { name, path, shows } of PAGES) {
    itInBrowser(
      `${name}: shows its data at every width, in light and dark, to everybody, and asks nobody else`,
      async () => {
        for (const { name: screen, width, height } of WIDTHS) {
          const { page, context, complaints, origins } = await visit(browser, service.url, {
            width,
            height,
            dark: screen === 'laptop',
          });
          await signIn(page, 'operator');
          // As a click does: a reload would forget the key.
          await page.evaluate(`history.pushState(null, '', ${JSON.stringify(path)})`);
          await settled(page, shows);
          if (SHOTS) {
            mkdirSync(SHOTS, { recursive: true });
            await page.screenshot({ path: join(SHOTS, `${name}-${screen}.png`), fullPage: screen !== '4k' });
          }
          expect(await overflow(page)).toBe(0);
          if (screen !== '4k') expect(await barriers(page)).toEqual([]);
          expect(complaints).toEqual([]);
          expect([...origins]).toEqual([service.url]);
          await context.close();
        }
      },
    );
  }
});
void HOSTILE_USERS;
