/**
 * How a request's body becomes what its schema looks at: JSON (RFC 8259), which is UTF-8 and comes as it is.
 *
 * Fastify decodes a body leniently. Bytes that are no UTF-8 (a `Content-Type` with another charset, a client that sends
 * Latin-1) would each become U+FFFD, and two users, `Zoë` and `Zoé`, one. They are refused, as a compressed body is, which
 * would be called broken JSON.
 *
 * A route that takes no body takes an empty one, `null` or `{}`, which clients send by themselves. Fields in it were meant to
 * change what is done: `POST /v1/cleanup {"dryRun": true}` would have removed what it was to count.
 */
import type { FastifyInstance } from 'fastify';
import { type FieldProblem, HttpProblem } from './problem.js';

const JSON_TYPE = 'application/json';
/** A mark of order before the first character is no part of the text, and is taken away. */
const UTF_8 = new TextDecoder('utf-8', { fatal: true });

export function takeJson(app: FastifyInstance): void {
  // A body's `__proto__` is refused, not obeyed.
  const parse = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(JSON_TYPE, { parseAs: 'buffer' }, (request, bytes, done) => {
    if (bytes.length === 0) return done(null, undefined);
    const text = textOf(bytes as Buffer);
    parse(request, text, (error, body) => done(error && notJson(text), body));
  });
  app.addHook('preParsing', async ({ headers }) => {
    const encoding = headers['content-encoding'] ?? 'identity';
    if (!/^identity$/i.test(encoding)) {
      refuseType(`a body is taken as it is, and not as ${encoding}: send it without Content-Encoding`);
    }
    const charset = /;\s*charset="?([^";\s]+)/i.exec(headers['content-type'] ?? '')?.[1] ?? 'utf-8';
    if (!/^utf-?8$/i.test(charset)) refuseType(`JSON is UTF-8, and not ${charset}: send it as ${JSON_TYPE}`);
  });
  app.addHook('preValidation', async ({ routeOptions: { schema, config }, body }) => {
    if (schema?.body !== undefined) {
      if (body === undefined) refuse('/body: is missing', [{ pointer: '/body', detail: 'is missing' }]);
    } else if (config.access && !isEmpty(body)) {
      refuse(`this takes no body, and no ${nameOf(body)} in it: see /docs`);
    }
  });
}

const isEmpty = (body: unknown): boolean =>
  body === undefined || body === null || JSON.stringify(body) === '{}';

const nameOf = (body: unknown): string =>
  typeof body === 'object' && !Array.isArray(body) ? `"${Object.keys(body as object)[0]}"` : 'list or value';

function textOf(bytes: Buffer): string {
  try {
    return UTF_8.decode(bytes);
  } catch {
    refuse('the body is not UTF-8: encode it as such before it is sent');
  }
}

/** The parser calls a poisoned body no JSON either. */
function notJson(text: string): HttpProblem {
  try {
    JSON.parse(text);
  } catch {
    return invalid(
      'the body is not JSON: names and texts stand in double quotes, and nothing is before or behind it',
    );
  }
  return invalid('the body has a field __proto__ or constructor.prototype, which nothing here takes');
}

const invalid = (detail: string, errors?: FieldProblem[]) =>
  new HttpProblem(400, 'INVALID_INPUT', detail, { ...(errors && { errors }) });

function refuse(detail: string, errors?: FieldProblem[]): never {
  throw invalid(detail, errors);
}

function refuseType(detail: string): never {
  throw new HttpProblem(415, 'UNSUPPORTED_MEDIA_TYPE', detail);
}
