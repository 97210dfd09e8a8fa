/**
 * What a request may not get wrong in silence.
 *
 * A parameter that is misspelt would be passed over, and the answer be another than was asked for: `?userid=alice` is
 * everybody, `?type=` of the feed is every type. So it is refused by its name, as a body's unknown field is (bodies.ts), also
 * where a route has no parameter at all. A method that a path does not take is told which it takes (405, `Allow`).
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
  app.addHook('preValidation', async ({ routeOptions: { schema, url }, query }) => {
    // What is no part of the API is left to who asks: monitors and browsers add parameters so that no cache answers.
    if (schema?.querystring !== undefined || !url?.startsWith('/v1/')) return;
    const [name] = Object.keys(query as object);
    if (name === undefined) return;
    throw new HttpProblem(
      400,
      'INVALID_INPUT',
      `/querystring: this takes no parameter, and no "${name}": see /docs`,
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
