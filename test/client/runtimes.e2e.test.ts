/** The same client, put together as a bundler does, in the runtimes that have `fetch` and nothing of Node. */
import { beforeAll, describe, expect, it } from '@jest/globals';
import { build } from 'esbuild';
import { Miniflare } from 'miniflare';
import { chromiumPath, NO_BROWSER, openBrowser, visit } from '../dashboard/browser.js';
import { givenServer } from '../http/support.js';
import { closing } from '../support/world.js';

/** What each runtime does: a question with an answer, and one that is refused. */
const ASK = `
  import { createClient } from './src/client/index.ts';
  export async function ask(baseUrl) {
    const client = createClient({ baseUrl, token: 'reader' });
    const ref = { exchange: 'BYBIT', environment: 'TESTNET', userId: 'alice', credentialId: 'main' };
    const { hit, link } = await client.state(ref);
    const refused = await client.stats().catch(({ name, code, status }) => ({ name, code, status }));
    return { hit, isLinked: link !== undefined, refused };
  }
  globalThis.ask = ask;`;
const ANSWER = {
  hit: false,
  isLinked: true,
  refused: { name: 'ApiError', code: 'FORBIDDEN', status: 403 },
};

async function bundled(contents: string, format: 'esm' | 'iife'): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: process.cwd(), loader: 'ts' },
    bundle: true,
    write: false,
    format,
    platform: 'browser',
    target: 'es2022',
    logLevel: 'silent',
  });
  return outputFiles[0]?.text ?? '';
}

let url = '';
beforeAll(async () => {
  const server = await givenServer({ keep: true, process: { lookupDeadlineMs: 10_000 } });
  url = await server.server.listen({ host: '127.0.0.1', port: 0 });
});

describe('the client runs', () => {
  it('in workerd, as in Cloudflare Workers', async () => {
    const worker = new Miniflare({
      modules: true,
      script: await bundled(
        `${ASK} export default { fetch: async request => Response.json(await ask(await request.text())) };`,
        'esm',
      ),
      compatibilityDate: '2026-04-01',
    });
    closing({ close: () => worker.dispose() });
    const answer = await worker.dispatchFetch('http://worker/', { method: 'POST', body: url });
    expect(await answer.json()).toEqual(ANSWER);
  });

  const title = 'in a browser, on a page of the service’s own origin';
  (chromiumPath ? it : it.skip)(chromiumPath ? title : `${title} (${NO_BROWSER})`, async () => {
    const browser = await openBrowser();
    closing(browser);
    const { page } = await visit(browser, `${url}/health/live`);
    const script = await bundled(ASK, 'iife');
    expect(await page.evaluate(`${script}; ask(${JSON.stringify(url)})`)).toEqual(ANSWER);
  });
});
