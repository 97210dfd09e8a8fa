/**
 * `connector-state/dashboard`: the dashboard as a Fastify plugin.
 *
 * Its files are read once, when it is registered, and served from memory by their exact names: no request reaches the
 * disk, and no path can lead out of anything. Names are made of the contents, so all but the page itself may be kept for
 * good. The page asks the API with the visitor's own key; the plugin knows no secret and asks for none.
 *
 * The page's policy lets it run its own scripts and styles and talk to its own origin: nothing else, nothing inline, no
 * markup from text (Trusted Types), no frame around it.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import type { FastifyContextConfig, FastifyPluginCallback, FastifyReply, FastifyRequest } from 'fastify';
import { ConnectorStateError } from '../base/errors.js';
import { shown } from '../base/shown.js';
import { refuseUnknownOptions } from '../base/unknown-options.js';

export interface DashboardOptions {
  /** Set by Fastify: where it is mounted, for example `/clocks`. Default: at the root. */
  readonly prefix?: string;
  /** Where the API is, on the same origin: a path that begins and ends with `/`. Default: `/`. */
  readonly api?: string;
  /** `config` of every route, for what your server's hooks want of one. */
  readonly config?: FastifyContextConfig;
  /** Where the built files are; for tests. Default: those of this package. */
  readonly folder?: URL;
}

/** Every page of src/dashboard/app/app.tsx. */
export const PAGES = ['/', '/clocks', '/connectors', '/connector', '/usage', '/operations'] as const;

export const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  // A plot becomes a PNG by way of a picture that the page itself made.
  "img-src 'self' blob:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

const HEADERS = {
  'content-security-policy': CONTENT_SECURITY_POLICY,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
} as const;

const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
};

/** As Vite builds it (src/dashboard/vite.config.ts): `dist/dashboard/`, seen from `dist/lib/`, `dist/cjs/lib/` and this module. */
const FOLDERS = ['../dashboard/', '../../dashboard/'].map(path => new URL(path, import.meta.url));
const API = '/';

interface File {
  readonly plain: Buffer;
  readonly gzipped: Buffer;
  readonly type: string;
  readonly etag: string;
  readonly cacheControl: string;
}

/**
 * @throws ConnectorStateError `INVALID_SETTINGS` when the built files are not there or `api` is no path
 * @example
 * await app.register(dashboard, { prefix: '/clocks', api: '/' });
 */
export const dashboard: FastifyPluginCallback<DashboardOptions> = (app, options, done) => {
  try {
    refuseUnknownOptions(
      options,
      ['prefix', 'api', 'config', 'folder', 'logLevel', 'logSerializers'],
      'dashboard',
    );
    const {
      api = API,
      config,
      folder = FOLDERS.find(each => existsSync(new URL('index.html', each))) ?? (FOLDERS[0] as URL),
    } = options;
    const files = filesIn(folder);
    const page = files.get('index.html');
    if (!page) throw notBuilt(folder);
    const route = { ...(config && { config }), schema: { hide: true } };
    const index = pageFor(page.plain, api);
    for (const path of PAGES) app.get(path, route, (request, reply) => send(request, reply, index));
    for (const [name, file] of files) {
      if (name !== 'index.html') app.get(`/${name}`, route, (request, reply) => send(request, reply, file));
    }
    done();
  } catch (error) {
    done(error as Error);
  }
};

export default dashboard;

function filesIn(folder: URL): Map<string, File> {
  let names: string[];
  try {
    names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  } catch {
    throw notBuilt(folder);
  }
  return new Map(
    names
      .map(name => name.replaceAll('\\', '/'))
      .filter(name => /\.\w+$/.test(name))
      .map(name => [
        name,
        fileOf(readFileSync(new URL(name, folder)), name, 'public, max-age=31536000, immutable'),
      ]),
  );
}

function fileOf(plain: Buffer, name: string, cacheControl: string): File {
  const type = TYPES[name.slice(name.lastIndexOf('.') + 1)] ?? 'application/octet-stream';
  const etag = `"${createHash('sha256').update(plain).digest('base64url').slice(0, 22)}"`;
  return { plain, gzipped: gzipSync(plain, { level: 9 }), type, etag, cacheControl };
}

/** The page with the API's place written into it. */
function pageFor(html: Buffer, api: string): File {
  if (!/^\/(?:(?!\.\.?\/)[\w.~-]+\/)*$/.test(api)) {
    throw new ConnectorStateError(
      'INVALID_SETTINGS',
      `api must be a path on this origin that begins and ends with a slash, got ${shown(api)}`,
    );
  }
  const text = html.toString('utf8').replace(/(name="connector-state-api" content=")[^"]*"/, `$1${api}"`);
  return fileOf(Buffer.from(text), 'index.html', 'no-cache');
}

const notBuilt = (folder: URL) =>
  new ConnectorStateError(
    'INVALID_SETTINGS',
    `the dashboard's files are not in ${folder.pathname}: run \`npm run build\``,
  );

function send(request: FastifyRequest, reply: FastifyReply, file: File): FastifyReply {
  reply.headers({ ...HEADERS, etag: file.etag, 'cache-control': file.cacheControl, vary: 'accept-encoding' });
  if (request.headers['if-none-match'] === file.etag) return reply.code(304).send();
  reply.type(file.type);
  const takesGzip = /\bgzip\b(?!\s*;\s*q=0(?:\.0*)?(?:,|$))/i.test(request.headers['accept-encoding'] ?? '');
  if (!takesGzip) return reply.send(file.plain);
  return reply.header('content-encoding', 'gzip').send(file.gzipped);
}
