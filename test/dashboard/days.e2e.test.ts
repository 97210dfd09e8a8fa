/** The dashboard's days in a real browser: empty, refused, cut off, restarted, live, hostile. */
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import type { Page } from 'playwright-core';
import { pg } from '../../src/postgres/driver.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { authFailed, cleaned } from '../support/facts.js';
import { itWhen } from '../support/it-when.js';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.js';
import {
  chromiumPath,
  NO_BROWSER,
  type OpenedBrowser,
  openBrowser,
  signIn,
  type Visit,
  visit,
} from './browser.js';
import { HOSTILE_USERS, writePast } from './past.js';
import { type RunningService, startService } from './service.js';

const itInBrowser = itWhen(chromiumPath !== undefined, NO_BROWSER);
/** A recovery is a retry of the page's own, which waits up to half a minute. */
const PATIENCE = { timeout: 45_000 };

let database: TestDatabase;
let proxy: TcpProxy;
let service: RunningService;
let browser: OpenedBrowser;

beforeAll(async () => {
  if (chromiumPath === undefined) return;
  database = await createTestDatabase();
  await writePast(database.url);
  proxy = await startTcpProxy(database.url);
  service = await startService(proxy.url);
  await service.project();
  browser = await openBrowser();
}, 120_000);

afterAll(async () => {
  await browser?.close();
  await service?.close();
  await proxy?.close();
  await database?.drop();
});

const go = (page: Page, path: string) =>
  page.evaluate(`history.pushState(null, '', ${JSON.stringify(path)})`);

async function signedIn(key = 'operator', at = '/'): Promise<Visit> {
  const visited = await visit(browser, service.url);
  await signIn(visited.page, key);
  if (at !== '/') await go(visited.page, at);
  return visited;
}

/** The page's policy lets no test evaluate its conditions inside it, so they are polled from here. */
async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 400; i++) {
    if (await isSo()) return;
    await pause(100);
  }
  throw new Error(`waited in vain until ${what}`);
}

/** As a browser says it of a tab that goes behind another, which none without a window does. */
const hide = (page: Page, isHidden: boolean) =>
  page.evaluate(`{
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => ${isHidden} });
    document.dispatchEvent(new Event('visibilitychange'));
  }`);

const text = (page: Page, words: string | RegExp) => page.getByText(words).first();

describe('who is asking', () => {
  itInBrowser(
    'is asked for a key, which is in no address, no storage and no cookie, and forgotten by a reload',
    async () => {
      const { page, context } = await visit(browser, `${service.url}/usage?range=7d`);
      await page.getByLabel('API key or token').fill('not-a-key');
      await page.getByRole('button', { name: 'Sign in' }).click();
      await text(page, 'The key is not known').waitFor();

      await signIn(page, 'analyst');
      await text(page, 'Syncs saved').waitFor();
      expect(page.url()).toBe(`${service.url}/usage?range=7d`);
      expect(await context.cookies()).toEqual([]);
      expect(
        await page.evaluate('JSON.stringify([localStorage, sessionStorage, history.state])'),
      ).not.toContain('analyst');
      await page.reload();
      await page.getByLabel('API key or token').waitFor();
      await context.close();
    },
  );

  itInBrowser(
    'is shown what it may see; what it may not, the service refuses, and the page says so',
    async () => {
      const { page, context } = await signedIn('analyst');
      await text(page, 'Hit rate, 24 h').waitFor();
      expect(await page.getByRole('link', { name: 'Operations' }).count()).toBe(0);
      await go(page, '/operations');
      await text(page, 'Your key may not see this.').waitFor();
      await text(page, 'FORBIDDEN').waitFor();
      await context.close();

      const reader = await signedIn('reader', '/clocks');
      await text(reader.page, 'Your key may not see this.').waitFor();
      await reader.context.close();
    },
  );
});

describe('bad days', () => {
  itInBrowser('says that nothing is recorded yet', async () => {
    const empty = await createTestDatabase();
    const other = await startService(empty.url);
    try {
      const { page, context, complaints } = await visit(browser, other.url);
      await signIn(page, 'operator');
      for (const [path, words] of [
        ['/', 'Nothing has been recorded yet'],
        ['/clocks', 'No clock was measured in this range'],
        ['/connectors', 'No connector has a state yet'],
        ['/connector', 'Which connector?'],
        ['/connector?user=a&credential=b', 'Nothing is recorded'],
        ['/usage', 'Nothing was looked up in this range'],
        ['/operations', 'None: every event was folded.'],
        ['/nowhere', 'There is no such page'],
      ] as const) {
        await go(page, path);
        await text(page, words).waitFor();
      }
      expect(complaints).toEqual([]);
      await context.close();
    } finally {
      await other.close();
      await empty.drop();
    }
  });

  itInBrowser(
    'keeps what it shows while the database is away, says how old it is, and goes on by itself',
    async () => {
      const { page, context } = await signedIn('operator', '/usage?range=7d');
      await text(page, 'Syncs saved').waitFor();
      await proxy.refuse();
      try {
        await page.getByRole('button', { name: '7d', exact: true }).click();
        await page.getByRole('button', { name: '30d', exact: true }).click();
        await text(page, 'The service cannot answer now.').waitFor(PATIENCE);
        await text(page, 'DATABASE_UNAVAILABLE').waitFor();
      } finally {
        await proxy.recover();
      }
      await text(page, 'Syncs saved').waitFor(PATIENCE);
      await context.close();
    },
  );

  itInBrowser(
    'shows what is recorded as it comes, and again after the service was started anew',
    async () => {
      const { page, context } = await signedIn();
      const fail = async (exchangeCode: string) => {
        const store = await service.state.store();
        await store.append([authFailed({ userId: 'live', exchangeCode, occurredAt: Date.now() })]);
      };
      await page.locator('.live.live').waitFor(PATIENCE);
      await fail('10001');
      await text(page, '10001').waitFor(PATIENCE);

      const { port } = service;
      await service.close();
      await page.locator('.live.waiting').waitFor(PATIENCE);
      service = await startService(proxy.url, { port });
      await page.locator('.live.live').waitFor(PATIENCE);
      await fail('10099');
      await text(page, '10099').waitFor(PATIENCE);
      await context.close();
    },
  );

  itInBrowser('shows what was recorded after a page was loaded and before its feed began', async () => {
    const { page, context } = await visit(browser, service.url);
    let begin: () => void = () => undefined;
    const held = new Promise<void>(resolve => {
      begin = resolve;
    });
    await page.route('**/v1/events/feed**', async route => {
      await held;
      await route.continue();
    });
    await signIn(page, 'operator');
    await text(page, 'What changed in the last hour').waitFor(PATIENCE);
    const store = await service.state.store();
    await store.append([authFailed({ userId: 'between', exchangeCode: '10077', occurredAt: Date.now() })]);
    begin();
    await text(page, '10077').waitFor(PATIENCE);
    await context.close();
  });

  itInBrowser('draws everything anew where the feed says that it is of another log', async () => {
    const restored = await createTestDatabase();
    const first = await startService(proxy.url);
    let second: RunningService | undefined;
    try {
      const { page, context } = await visit(browser, first.url);
      await signIn(page, 'operator');
      await page.locator('.live.live').waitFor(PATIENCE);
      await go(page, '/connectors');
      await text(page, 'user-005').waitFor();
      // While a page is hidden it follows nothing, so that what it finds afterwards is no failure, only another log.
      await hide(page, true);
      await page.locator('.live.paused').waitFor();
      await first.close();
      second = await startService(restored.url, { port: first.port });
      await hide(page, false);
      await text(page, 'No connector has a state yet').waitFor(PATIENCE);
      await context.close();
    } finally {
      await second?.close();
      await restored.drop();
    }
  });
});

describe('what others chose', () => {
  itInBrowser('is text, whatever it is made of, on every page that shows it', async () => {
    const { page, context, complaints } = await signedIn('operator', '/connectors');
    await text(page, 'user-005').waitFor();
    expect(await page.locator('img').count()).toBe(0);
    await text(page, 'abc⟨U+202E⟩cba').waitFor();
    for (const user of HOSTILE_USERS) {
      const link = page.getByRole('link', { name: user.slice(0, 3) }).first();
      await link.click();
      await text(page, 'Why this offset')
        .waitFor()
        .catch(async error => {
          throw new Error(`${user}: ${await page.locator('main').textContent()}`, { cause: error });
        });
      expect(new URL(page.url()).searchParams.get('user')).toBe(user);
      await page.goBack();
      await text(page, 'user-005').waitFor();
    }
    expect(await page.title()).toBe('Connectors · connector-state');
    expect(complaints).toEqual([]);
    await context.close();
  });

  itInBrowser('of a hundred thousand, holds only the rows in sight', async () => {
    const many = await createTestDatabase();
    const client = new pg.Client({ connectionString: many.url });
    await client.connect();
    await client.query(`
      INSERT INTO connector_state_cache (id, cache_key, user_id, credential_id, exchange, environment, scope, time_offset, uncertainty_ms,
        round_trip_ms, sample_count, reference_clock, sync_id, basis, sync_trigger, last_sync_time, ttl_ms, expires_at, created_at,
        updated_at, stream_version, position, rate_ppm, rate_bound_ppm)
      SELECT gen_random_uuid(), 'u' || lpad(n::text, 6, '0') || '_c', 'u' || lpad(n::text, 6, '0'), 'c', 'BYBIT', 'MAINNET', 'default', 1, 1, 1, 1,
        'pg:1:1', gen_random_uuid(), 'measured', 'absent', now(), 1000, now() + interval '1 hour', now(), now(), 1, 'pg/1', 0, 50
        FROM generate_series(1, 100000) AS n`);
    await client.end();
    const other = await startService(many.url);
    try {
      const { page, context } = await visit(browser, other.url);
      await signIn(page, 'operator');
      await go(page, '/connectors');
      await text(page, 'u000001').waitFor();
      const loaded = async () =>
        Number((await page.locator('p[role=status]').textContent())?.replace(/\D/g, ''));
      for (let i = 0; i < 6; i++) {
        await page.evaluate(
          `(() => { const r = document.querySelector('.rows'); r.scrollTo(0, r.scrollHeight); })()`,
        );
        await until('more rows are loaded', async () => (await loaded()) >= 200 * (i + 2));
      }
      expect(await page.locator('.rows-body [role=row]').count()).toBeLessThan(60);
      await page.getByLabel('User begins with').fill('u0999');
      await text(page, 'u099900').waitFor();
      expect(page.url()).toContain('user=u0999');
      await context.close();
    } finally {
      await other.close();
      await many.drop();
    }
  });
});

describe('taking away and doing', () => {
  itInBrowser('saves a plot as PNG, SVG and CSV', async () => {
    const { page, context, complaints } = await signedIn('operator', '/clocks?range=7d&exchange=BYBIT');
    const saved = async (format: string) => {
      const [download] = await Promise.all([
        page.waitForEvent('download'),
        page.getByRole('button', { name: `Save “Offset, with its bound” as ${format}` }).click(),
      ]);
      expect(download.suggestedFilename()).toBe(`offset-with-its-bound.${format.toLowerCase()}`);
      return readFileSync(await download.path());
    };
    expect((await saved('PNG')).subarray(1, 4).toString()).toBe('PNG');
    const svg = (await saved('SVG')).toString();
    expect(svg).toMatch(/^<\?xml[\s\S]*<svg [\s\S]*<title>Offset, with its bound<\/title>[\s\S]*<\/svg>\s*$/);
    const csv = (await saved('CSV')).toString();
    expect(csv).toMatch(/^time,epoch_ms,"upper bound, ms"/);
    expect(csv.split('\r\n').length).toBeGreaterThan(200);
    expect(complaints).toEqual([]);
    await context.close();
  });

  itInBrowser('moves a plot by keys, and has the range in the address', async () => {
    const { page, context } = await signedIn('operator', '/clocks?range=7d&exchange=BYBIT');
    await page.getByRole('group', { name: /^Offset, with its bound/ }).focus();
    await page.keyboard.press('+');
    await page.waitForURL(/from=.*until=/);
    const range = () => new URL(page.url()).searchParams;
    const [from, until] = [Date.parse(range().get('from') ?? ''), Date.parse(range().get('until') ?? '')];
    expect((until - from) / 86_400_000).toBeCloseTo(7 * 0.6, 1);
    await page.getByRole('button', { name: '24h' }).click();
    await page.waitForURL(/range=24h/);
    await context.close();
  });

  itInBrowser('shows the state as it was at a moment, with its arithmetic', async () => {
    const { page, context } = await signedIn('operator', '/connector?user=user-006&credential=bybit-main');
    const before = await page.locator('.slider output').textContent();
    await page.getByRole('button', { name: '‹ fact' }).click();
    await page.waitForURL(/at=/);
    await until(
      'the moment moved',
      async () => (await page.locator('.slider output').textContent()) !== before,
    );
    await text(page, 'To refusal').waitFor();
    await text(page, /ppm × .* = /).waitFor();
    await context.close();
  });

  itInBrowser('asks before it condemns, and then the record has it', async () => {
    const { page, context } = await signedIn('operator', '/connector?user=user-008&credential=bybit-main');
    await page.getByRole('button', { name: 'Invalidate…' }).click();
    await page.getByRole('dialog').waitFor();
    await page.keyboard.press('Escape');
    expect(await page.getByRole('dialog').count()).toBe(0);
    await page.getByRole('button', { name: 'Invalidate…' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Invalidate', exact: true }).click();
    await text(page, 'Condemned the sync').waitFor();
    await text(page, 'manual by test:operator').waitFor(PATIENCE);
    await context.close();
  });

  itInBrowser('distrusts a machine, shows that it is not believed, and believes it again', async () => {
    const { page, context } = await signedIn('operator', '/operations');
    await page.getByRole('button', { name: 'Distrust a machine…' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Machine', { exact: true }).fill('fn-tokyo');
    await dialog.getByRole('button', { name: 'Distrust a machine', exact: true }).click();
    await text(page, /Recorded for \d shared clocks/).waitFor();
    // Loaded anew, for a page that asked before the projection was over need not ask again.
    const projected = async () => {
      await service.project();
      await go(page, '/usage');
      await text(page, 'Syncs saved').waitFor(PATIENCE);
      await go(page, '/operations');
    };
    await projected();
    const line = page.locator('li').filter({ hasText: 'fn-tokyo' });
    await line.filter({ hasText: 'not believed' }).waitFor(PATIENCE);

    await line.getByRole('button', { name: 'Believe again…' }).click();
    await dialog.getByRole('button', { name: 'Believe again', exact: true }).click();
    await text(page, /Recorded for \d shared clocks/).waitFor();
    await projected();
    await text(page, 'all are believed').waitFor(PATIENCE);
    await go(page, '/');
    await text(page, 'fn-tokyo is believed again, by test:operator').waitFor(PATIENCE);
    await context.close();
  });

  itInBrowser('goes by the time of the service where the browser’s clock is hours off', async () => {
    const store = await service.state.store();
    await store.append([authFailed({ userId: 'hours', exchangeCode: '10066', occurredAt: Date.now() })]);
    await service.project();
    for (const clockOffMs of [6 * 3_600_000, -30 * 3_600_000]) {
      const { page, context } = await visit(browser, service.url, { clockOffMs });
      await signIn(page, 'operator');
      const fact = page.locator('.facts li').filter({ hasText: '10066' });
      await fact.filter({ hasText: /^\d+ (s|min)( \d+ s)? ago/ }).waitFor(PATIENCE);

      await go(page, '/operations');
      await page.getByRole('button', { name: 'Distrust a machine…' }).click();
      const dialog = page.getByRole('dialog');
      await dialog.getByLabel('Machine', { exact: true }).fill('fn-nobody');
      await dialog.getByLabel('It lies').selectOption('1h');
      const asking = page.waitForRequest(request => request.url().endsWith('/v1/distrust'));
      // What is asked for is looked at, and not done.
      await page.route('**/v1/distrust', route => route.abort());
      await dialog.getByRole('button', { name: 'Distrust a machine', exact: true }).click();
      const { since } = (await asking).postDataJSON() as { since: string };
      expect(Math.abs(Date.now() - 3_600_000 - Number(since))).toBeLessThan(600_000);
      await context.close();
    }
  });

  itInBrowser('lists what could not be folded, and no more once it was dismissed', async () => {
    const store = await service.state.store();
    await store.append([cleaned({ cutoff: Date.now() + 365 * 86_400_000 })]);
    await service.project();
    const { page, context } = await signedIn('operator', '/operations');
    const letters = page.locator('section').filter({ hasText: 'Dead letters' }).locator('li');
    const letter = letters.filter({ hasText: 'cutoff' });
    await letter.first().waitFor(PATIENCE);
    await letter.first().getByRole('button', { name: 'Dismiss…' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Dismiss', exact: true }).click();
    await text(page, 'Dismissed.').waitFor();
    await text(page, 'None: every event was folded.').waitFor(PATIENCE);
    expect(await letters.count()).toBe(0);
    await context.close();
  });

  itInBrowser('rebuilds, and shows how it goes', async () => {
    const { page, context } = await signedIn('operator', '/operations');
    await page.getByRole('button', { name: 'Rebuild…' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Rebuild', exact: true }).click();
    await text(page, 'rebuild by test:operator').waitFor(PATIENCE);
    await page.locator('.badge.good').filter({ hasText: 'done' }).waitFor(PATIENCE);
    await context.close();
  });
});
