/**
 * What a request may not get wrong in silence.
 *
 * A parameter that is misspelt would be passed over, and the answer be another than was asked for: `?userid=alice` is
 * everybody, `?type=` of the feed is every type. So it is refused by its name, as a body's unknown field is. A method that a
 * path does not take is told which it takes (405, `Allow`), and a body that is no JSON is not taken for text, nor a compressed one
 * for JSON that is broken.
 */
import type { FastifyInstance, FastifySchemaCompiler } from 'fastify';
import { validatorCompiler } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { HttpProblem } from './problem.js';

/** Of a route whose schema names its parameters: no other is taken. */
const strictValidator: FastifySchemaCompiler<z.ZodType> = route => {
  const isQuery = route.httpPart === 'querystring' && route.schema instanceof z.ZodObject;
  return validatorCompiler(isQuery ? { ...route, schema: (route.schema as z.ZodObject).strict() } : route);
};

interface Route {
  readonly method: string;
  /** `/v1/users/:userId/history` */
  readonly url: string;
}

/** @param routeTable every route; filled later */
export function beStrict(app: FastifyInstance, routeTable: readonly Route[]): void {
  app.setValidatorCompiler(strictValidator);
  app.removeContentTypeParser('text/plain');
  app.addHook('preParsing', async ({ headers }) => {
    const encoding = headers['content-encoding'] ?? 'identity';
    if (/^identity$/i.test(encoding)) return;
    throw new HttpProblem(
      415,
      'UNSUPPORTED_MEDIA_TYPE',
      `a body is taken as it is, and not as ${encoding}: send it without Content-Encoding`,
    );
  });
  app.setNotFoundHandler({}, ({ method, url }, reply) => {
    const [path = ''] = url.split('?', 1);
    const allowed = routeTable.filter(route => fits(route.url, path)).map(route => route.method);
    if (allowed.length === 0) throw new HttpProblem(404, 'NOT_FOUND', 'there is no such route: see /docs');
    const allow = [...new Set(allowed)].join(', ');
    void reply.header('allow', allow);
    throw new HttpProblem(405, 'METHOD_NOT_ALLOWED', `this takes ${allow}, and not ${method}: see /docs`);
  });
}

/** @param pattern of a route */
function fits(pattern: string, path: string): boolean {
  const [wanted, given] = [pattern.split('/'), path.split('/')];
  return (
    wanted.length === given.length &&
    wanted.every((part, at) => (part.startsWith(':') ? given[at] !== '' : part === given[at]))
  );
}
