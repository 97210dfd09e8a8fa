/**
 * From the navigation's start, by the page's own clock: until the page can be used (its navigation is there and was painted)
 * and until it shows figures. Each time a visitor who has been here never before: no cache, no open connection.
 */
import type { Browser } from 'playwright-core';
import { median } from '../statistics.js';

export interface Opening {
  readonly usableMs: number;
  readonly figuresMs: number;
}

interface Seen {
  readonly usable?: number;
  readonly figures?: number;
}

/** Runs in the page, before its own scripts. Painted: the second frame from a change begins after the first is out. */
const WATCH = `
  globalThis.seen = {};
  const note = name => requestAnimationFrame(() => requestAnimationFrame(() => { seen[name] ??= performance.now(); }));
  const observer = new MutationObserver(() => {
    if (document.querySelector('header nav a')) note('usable');
    if (!document.querySelector('.tiles, .plots canvas')) return;
    note('figures');
    observer.disconnect();
  });
  observer.observe(document, { childList: true, subtree: true });`;

export async function measureOpening(browser: Browser, url: string, rounds: number): Promise<Opening> {
  const found: Seen[] = [];
  // The first is not counted: it is the browser's own start.
  for (let round = 0; round <= rounds; round++) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
    const page = await context.newPage();
    await page.addInitScript(WATCH);
    await page.goto(url);
    for (;;) {
      const seen = await page.evaluate<Seen>('seen');
      if (seen.usable !== undefined && seen.figures !== undefined) {
        if (round > 0) found.push(seen);
        break;
      }
      await page.waitForTimeout(20);
    }
    await context.close();
  }
  return {
    usableMs: median(found.map(({ usable }) => usable as number)),
    figuresMs: median(found.map(({ figures }) => figures as number)),
  };
}
