/** What the dashboard's plugin hands out, and how much of it a first visit loads. */
import { readdirSync, readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fastify, { type FastifyInstance } from 'fastify';
import { CONTENT_SECURITY_POLICY, dashboard, PAGES } from '../../src/dashboard/plugin.js';

const folder = new URL('../../dist/dashboard/', import.meta.url);
const FIRST_LOAD_LIMIT = 120_000;

let app: FastifyInstance;
beforeAll(async () => {
  app = fastify();
  await app.register(dashboard, { folder });
  await app.register(dashboard, { folder, prefix: '/ops/clocks', api: '/api/' });
});
afterAll(() => app.close());

const assets = () => readdirSync(new URL('assets/', folder));

describe('the dashboard as a plugin', () => {
  it('serves every page under its prefix, under a policy that allows nothing inline and nobody else', async () => {
    for (const prefix of ['', '/ops/clocks']) {
      for (const path of PAGES) {
        const { statusCode, headers, body } = await app.inject(prefix + path);
        expect([path, statusCode]).toEqual([path, 200]);
        expect(headers['content-security-policy']).toBe(CONTENT_SECURITY_POLICY);
        expect(headers['cache-control']).toBe('no-cache');
        expect(body).toContain(`name="connector-state-api" content="${prefix === '' ? '/' : '/api/'}"`);
        expect(body).not.toMatch(/<script(?![^>]*\bsrc=)|<style|\son\w+=|style=|https?:\/\//i);
      }
    }
    expect(CONTENT_SECURITY_POLICY).not.toContain('unsafe');
  });

  it('serves each file by its exact name, once for good, and nothing else', async () => {
    const [script] = assets().filter(name => name.endsWith('.js'));
    const url = `/assets/${script}`;
    const plain = await app.inject({ url, headers: { 'accept-encoding': 'identity' } });
    expect(plain.headers).toMatchObject({
      'content-type': 'text/javascript; charset=utf-8',
      'cache-control': 'public, max-age=31536000, immutable',
      'x-content-type-options': 'nosniff',
    });
    const gzipped = await app.inject({ url, headers: { 'accept-encoding': 'br, gzip;q=0.5' } });
    expect(gzipped.headers['content-encoding']).toBe('gzip');
    const refused = await app.inject({ url, headers: { 'accept-encoding': 'gzip;q=0' } });
    expect(refused.headers['content-encoding']).toBeUndefined();
    const again = await app.inject({ url, headers: { 'if-none-match': String(plain.headers.etag) } });
    expect([again.statusCode, again.body]).toEqual([304, '']);
    for (const bad of [
      '/assets/',
      '/assets/../index.html',
      '/assets/%2e%2e/index.html',
      '/index.html',
      '/x',
    ]) {
      expect([bad, (await app.inject(bad)).statusCode]).toEqual([bad, 404]);
    }
  });

  it('refuses a place of the API that could lead elsewhere, and a folder without the files', async () => {
    for (const api of ['//evil/', 'https://evil/', '/a', '/a"/', '/../']) {
      const other = fastify();
      await expect(other.register(dashboard, { folder, api }).ready()).rejects.toMatchObject({
        code: 'INVALID_SETTINGS',
      });
    }
    const empty = new URL('./no-such-folder/', import.meta.url);
    await expect(fastify().register(dashboard, { folder: empty }).ready()).rejects.toThrow(/npm run build/);
  });
});

describe('its size', () => {
  it(`is at most ${FIRST_LOAD_LIMIT / 1_000} kB compressed, all pages together`, () => {
    const files = ['index.html', ...assets().map(name => `assets/${name}`)];
    const bytes = files.reduce((sum, name) => sum + gzipSync(readFileSync(new URL(name, folder))).length, 0);
    expect(bytes).toBeGreaterThan(20_000);
    expect(bytes).toBeLessThan(FIRST_LOAD_LIMIT);
  });
});
