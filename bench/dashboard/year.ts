/**
 * One clock's year: from the click on `1y` until its plots are painted, and frames while the plot is dragged, by the
 * browser's trace.
 */
import type { Browser, CDPSession, Page } from 'playwright-core';
import { median } from '../statistics.js';

export interface Year {
  readonly drawnMs: number;
  readonly points: number;
  /** Frames that reached the screen, a second, while dragging. */
  readonly framesPerSecond: number;
  /** The longest that the screen stood still meanwhile. */
  readonly longestFrameMs: number;
}

interface Drawn {
  readonly clicked?: number;
  readonly drawn?: number;
}

/** Runs in the page: from the next click on, until all plots are there again and were painted. */
const WATCH_CLICK = `(() => {
  const drawn = (globalThis.drawn = {});
  const observer = new MutationObserver(() => {
    if (document.querySelectorAll('.plots canvas').length < 6) return;
    observer.disconnect();
    requestAnimationFrame(() => requestAnimationFrame(() => { drawn.drawn = performance.now(); }));
  });
  const clicked = event => {
    drawn.clicked = event.timeStamp;
    observer.observe(document, { childList: true, subtree: true });
  };
  document.addEventListener('click', clicked, { capture: true, once: true });
})()`;

const DRAG_MS = 3_000;
const MOVE_EVERY_MS = 8;

export async function measureYear(browser: Browser, url: string, rounds: number): Promise<Year> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  await page.goto(`${url}/clocks?exchange=BYBIT&range=24h`);
  const times: number[] = [];
  let points = 0;
  for (let round = 0; round < rounds; round++) {
    if (round > 0) await page.getByRole('button', { name: '24h', exact: true }).click();
    await page.locator('.plots canvas').nth(5).waitFor();
    await page.waitForTimeout(500);
    await page.evaluate(WATCH_CLICK);
    const answered = page.waitForResponse(response => response.url().includes('/v1/analytics/clocks'));
    await page.getByRole('button', { name: '1y', exact: true }).click();
    const answer = (await (await answered).json()) as { lines: { points: unknown[] }[] };
    points = answer.lines[0]?.points.length ?? 0;
    times.push(await untilDrawn(page));
  }
  const frames = await framesWhileDragged(await context.newCDPSession(page), page);
  await context.close();
  return { drawnMs: median(times), points, ...frames };
}

async function untilDrawn(page: Page): Promise<number> {
  for (;;) {
    const { clicked, drawn } = await page.evaluate<Drawn>('drawn');
    if (clicked !== undefined && drawn !== undefined) return drawn - clicked;
    await page.waitForTimeout(20);
  }
}

interface TraceEvent {
  readonly name: string;
  /** Microseconds. */
  readonly ts: number;
}

/** Shift and drag to and fro over the first plot. */
async function framesWhileDragged(cdp: CDPSession, page: Page) {
  const box = await page.locator('.plot .u-over').first().boundingBox();
  if (!box) throw new Error('there is no plot to drag');
  const events: TraceEvent[] = [];
  cdp.on('Tracing.dataCollected', ({ value }) => {
    events.push(...(value as unknown as TraceEvent[]));
  });
  const complete = new Promise(resolve => cdp.once('Tracing.tracingComplete', resolve));
  const y = box.y + box.height / 2;
  await page.keyboard.down('Shift');
  await page.mouse.move(box.x + box.width / 2, y);
  await page.mouse.down();
  await cdp.send('Tracing.start', {
    transferMode: 'ReportEvents',
    traceConfig: {
      includedCategories: ['devtools.timeline', 'disabled-by-default-devtools.timeline.frame'],
    },
  });
  const startedMs = performance.now();
  for (let ms = 0; ms < DRAG_MS; ms = performance.now() - startedMs) {
    await page.mouse.move(box.x + box.width * (0.5 + 0.35 * Math.sin(ms / 250)), y);
    await page.waitForTimeout(MOVE_EVERY_MS);
  }
  const draggedMs = performance.now() - startedMs;
  await cdp.send('Tracing.end');
  await complete;
  await page.mouse.up();
  await page.keyboard.up('Shift');
  const shown = events.filter(({ name }) => name === 'DrawFrame').map(({ ts }) => ts / 1_000);
  shown.sort((a, b) => a - b);
  const gaps = shown.slice(1).map((at, i) => at - (shown[i] as number));
  return { framesPerSecond: (shown.length * 1_000) / draggedMs, longestFrameMs: Math.max(...gaps) };
}
