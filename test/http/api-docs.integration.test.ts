/** docs/api.md says what the service says of itself. `npm run docs:api` writes it anew. */
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
// @ts-expect-error: a script, without types.
import { toMarkdown } from '../../scripts/api-markdown.mjs';
import { givenServer } from './support.js';

const FILE = new URL('../../docs/api.md', import.meta.url);

describe('docs/api.md', () => {
  it('is made from the description of the API', async () => {
    const { ask, server } = await givenServer();
    const { body } = await ask('/v1/openapi.json');
    const text: string = toMarkdown(body);
    if (process.env.WRITE_DOCS) writeFileSync(FILE, text);
    expect(readFileSync(FILE, 'utf8')).toBe(text);
    for (const { method, url, access } of server.routeTable) {
      // A HEAD is answered as its GET.
      if (access.roles === 'public' || !url.startsWith('/v1/') || method === 'HEAD') continue;
      expect(text).toContain(`### ${method} ${url.replaceAll(/:(\w+)/g, '{$1}')}`);
    }
  });

  it('names no route without saying who may use it', async () => {
    const { ask } = await givenServer();
    const { body } = await ask('/v1/openapi.json');
    for (const methods of Object.values(
      body.paths as Record<string, Record<string, Record<string, unknown>>>,
    )) {
      for (const operation of Object.values(methods)) {
        expect(operation['x-roles']).toEqual(expect.arrayContaining([expect.any(String)]));
        expect(Object.keys(operation.responses as object)).toEqual(expect.arrayContaining(['4XX', '5XX']));
      }
    }
  });
});
