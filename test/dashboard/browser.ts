/** A real browser for the tests: Debian's Chromium, headless, driven by playwright-core (which brings no browser). */
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];

/** Where it is; `undefined`: nowhere. `CHROMIUM` names another. */
export const chromiumPath: string | undefined = [
  process.env.CHROMIUM,
  ...(process.env.PATH ?? '').split(delimiter).flatMap(folder => NAMES.map(name => join(folder, name))),
].find(path => path !== undefined && existsSync(path));

export const NO_BROWSER =
  "there is no Chromium: install Debian's package `chromium`, or name one in CHROMIUM";

export interface OpenedBrowser {
  readonly browser: Browser;
  close(): Promise<void>;
}

export async function openBrowser(): Promise<OpenedBrowser> {
  const { chromium } = await import('playwright-core');
  const browser = await chromium.launch({
    executablePath: chromiumPath as string,
    // Containers that run the tests as root give no name spaces for its sandbox.
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'],
  });
  return { browser, close: () => browser.close() };
}

export interface Visit {
  readonly page: Page;
  readonly context: BrowserContext;
  /** What the page complained of: errors, and what its policy refused. */
  readonly complaints: string[];
  /** Origins that it asked anything of. */
  readonly origins: Set<string>;
}

export interface VisitOptions {
  readonly width?: number;
  readonly height?: number;
  readonly dark?: boolean;
  /** How far the browser's clock is off. */
  readonly clockOffMs?: number;
}

/** A tab of its own that knows nothing of any other. */
export async function visit(
  { browser }: OpenedBrowser,
  url: string,
  { width = 1280, height = 900, dark = false, clockOffMs = 0 }: VisitOptions = {},
): Promise<Visit> {
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: dark ? 'dark' : 'light',
    acceptDownloads: true,
  });
  if (clockOffMs !== 0) await context.clock.install({ time: Date.now() + clockOffMs });
  const page = await context.newPage();
  const complaints: string[] = [];
  const origins = new Set<string>();
  page.on('pageerror', error => complaints.push(String(error)));
  page.on('console', message => {
    // A status of 4xx or 5xx is in the console as an error; what the page makes of it is what is tested.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) {
      complaints.push(message.text());
    }
  });
  page.on('request', request => origins.add(new URL(request.url()).origin));
  await page.goto(url);
  return { page, context, complaints, origins };
}

export async function signIn(page: Page, key: string): Promise<void> {
  await page.getByLabel('API key or token').fill(key);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.locator('.who').waitFor();
}
