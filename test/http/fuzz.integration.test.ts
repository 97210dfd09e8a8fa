/**
 * Every route, asked what its own description allows and what nobody would: no failure of the service, no crash, nothing
 * of the caller's token in an answer or in the log. Requests are made from the OpenAPI description, so that a new route is
 * asked too. `npm run test:fuzz` sends 100 000.
 */
import { beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { InjectOptions } from 'fastify';
import { givenServer, type TestServer } from './support.js';

const REQUESTS = Number(process.env.FUZZ_REQUESTS ?? 1_500);
const CANARY = 'operator@canary-7f3a';

interface Schema {
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly maxItems?: number;
  readonly pattern?: string;
  readonly format?: string;
}
interface Operation {
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly schema: Schema }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> };
}
interface Route extends Operation {
  readonly method: string;
  readonly path: string;
}

let server: TestServer;
let routes: Route[];
beforeAll(async () => {
  server = await givenServer({ keep: true });
  const { body } = await server.ask('/v1/openapi.json');
  const all = Object.entries(body.paths as Record<string, Record<string, Operation>>).flatMap(
    ([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({
        ...operation,
        method: method.toUpperCase(),
        path,
      })),
  );
  // What never ends cannot be asked without a socket; its parameters have tests of their own.
  routes = all.filter(({ path }) => !path.endsWith('/feed'));
});

/** What people and attackers send. */
const HOSTILE: readonly unknown[] = [
  ...[
    '',
    ' ',
    '\u0000',
    '\r\nSet-Cookie: a=b',
    '%00',
    '../../etc/passwd',
    "'; DROP TABLE connector_event; --",
    '{{7*7}}',
  ],
  ...[
    '<script>alert(1)</script>',
    '\ud800',
    '\u202e',
    'a'.repeat(5_000),
    '__proto__',
    'constructor',
    '=1+1',
    '٣',
    '1e999',
  ],
  ...[null, true, -1, 0, 1e308, -0.5, 2 ** 53, Number.MAX_SAFE_INTEGER, [], {}, [[]], { $gt: '' }],
  ...[
    { constructor: { prototype: { polluted: true } } },
    '9'.repeat(400),
    'pg/99999999999999999999',
    'pg/-1',
    'esdb/1:1',
  ],
];
const hostile = fc.constantFrom(...HOSTILE);

function valid(schema: Schema | undefined, depth = 0): fc.Arbitrary<unknown> {
  if (!schema || depth > 6) return fc.constant('x');
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  const either = schema.anyOf ?? schema.oneOf;
  if (either && either.length > 0) return fc.oneof(...either.map(each => valid(each, depth + 1)));
  if (schema.allOf) return valid(schema.allOf[0], depth + 1);
  const type = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  if (type === 'object') {
    const fields = Object.entries(schema.properties ?? {}).map(
      ([name, field]) => [name, valid(field, depth + 1)] as const,
    );
    return fc.record(Object.fromEntries(fields), { requiredKeys: (schema.required ?? []) as never[] });
  }
  if (type === 'array') return fc.array(valid(schema.items, depth + 1), { minLength: 1, maxLength: 4 });
  if (type === 'boolean') return fc.boolean();
  if (type === 'integer' || type === 'number') {
    const { minimum = -1e9, maximum = 1e12 } = schema;
    const edges = fc.constantFrom(minimum, maximum);
    const within = fc.double({ min: minimum, max: Math.max(minimum, maximum), noNaN: true });
    return fc.oneof(edges, type === 'integer' ? within.map(Math.round) : within);
  }
  if (schema.format === 'uuid') return fc.uuid();
  if (schema.pattern !== undefined)
    return fc.oneof(fc.constantFrom('default', 'n1', '24h', '2026-01-01', 'host-7'), fc.string());
  return fc.oneof(fc.constantFrom('alice', 'main', 'pg/12', 'true', '10'), fc.string({ maxLength: 40 }));
}

/** Rarely a hostile value in place of what was meant, anywhere. */
const spoiled = (arbitrary: fc.Arbitrary<unknown>) =>
  fc.oneof({ weight: 4, arbitrary }, { weight: 1, arbitrary: hostile });

const requestTo = ({ method, path, parameters = [], requestBody }: Route): fc.Arbitrary<InjectOptions> => {
  const body = requestBody?.content['application/json']?.schema;
  return fc
    .record({
      params: fc.tuple(...parameters.map(({ schema }) => spoiled(valid(schema)))),
      given: fc.tuple(...parameters.map(() => fc.integer({ min: 0, max: 3 }))),
      payload: body
        ? fc.oneof({ weight: 3, arbitrary: spoiledBody(body) }, { weight: 1, arbitrary: hostile })
        : fc.constant(undefined),
    })
    .map(({ params, given, payload }) => {
      let url = path;
      const query = new URLSearchParams();
      for (const [i, { name, in: where }] of parameters.entries()) {
        const text = textOf(params[i]);
        if (where === 'path') url = url.replace(`{${name}}`, () => encode(text));
        else if (where === 'query' && given[i] !== 0) query.append(name, text);
      }
      const queryText = query.toString();
      return {
        method: method as 'GET',
        url: queryText === '' ? url : `${url}?${queryText}`,
        headers: { authorization: `Bearer ${CANARY}` },
        ...(payload !== undefined && {
          payload: JSON.stringify(payload) as string,
          headers: { authorization: `Bearer ${CANARY}`, 'content-type': 'application/json' },
        }),
      };
    });
};

const textOf = (value: unknown) => (typeof value === 'string' ? value : (JSON.stringify(value) ?? ''));
const encode = (text: string) => encodeURIComponent(text.replaceAll(/\p{Surrogate}/gu, '\ufffd')) || '%20';

function spoiledBody(schema: Schema): fc.Arbitrary<unknown> {
  return fc
    .tuple(valid(schema), fc.nat(), hostile, fc.constantFrom('keep', 'keep', 'spoil', 'add', 'drop'))
    .map(([value, at, bad, how]) => {
      if (how === 'keep' || typeof value !== 'object' || value === null) return value;
      const target = value as Record<string, unknown>;
      const keys = Object.keys(target);
      const key = keys[at % Math.max(1, keys.length)] ?? 'x';
      if (how === 'add') return { ...target, apiSecret: bad };
      if (how === 'drop') return Object.fromEntries(Object.entries(target).filter(([name]) => name !== key));
      return { ...target, [key]: bad };
    });
}

/** What a rebuild says that met what cannot be folded, or a database that a busy machine let wait for too long. */
const OF_JOBS: readonly unknown[] = ['PROJECTION_FAILED', 'DATABASE_UNAVAILABLE'];
const isOwnFailure = (details: object) => OF_JOBS.includes((details as { code?: unknown }).code);

describe('any request', () => {
  it('is answered, with a problem or with what was asked, and without a failure of the service', async () => {
    const heavy = (path: string) => /rebuilds|replay|cleanup|distrust|relay/.test(path);
    const weighted = routes.map(route => ({
      weight: heavy(route.path) ? 1 : 12,
      arbitrary: requestTo(route),
    }));
    const seen = new Map<string, number>();
    await fc.assert(
      fc.asyncProperty(fc.oneof(...weighted), async request => {
        // Not bound: `operator@…` would hide most routes.
        const answer = await server.server.inject({
          ...request,
          headers: {
            ...request.headers,
            host: 'localhost',
            'x-token': CANARY,
            authorization: 'Bearer operator',
          },
        });
        const { statusCode, body } = answer;
        seen.set(`${statusCode}`, (seen.get(`${statusCode}`) ?? 0) + 1);
        // Not being ready is what that route is there to say.
        if (statusCode >= 400 && request.url !== '/health/ready') {
          expect(String(answer.headers['content-type'])).toContain('application/problem+json');
          const { code, status } = JSON.parse(body);
          expect(status).toBe(statusCode);
          // Too many at once is an answer; a failure of ours is none.
          if (statusCode >= 500) expect([code, body]).toEqual(['OVERLOADED', body]);
        }
        expect(body).not.toContain(CANARY);
        expect(JSON.stringify(answer.headers)).not.toContain('set-cookie');
      }),
      { numRuns: REQUESTS, endOnFailure: true },
    );
    const failures = server.log.lines.filter(
      ({ level, details }) => level === 'error' && !isOwnFailure(details),
    );
    expect(failures).toEqual([]);
    expect(server.log.text()).not.toContain(CANARY);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    // It is not the front door alone that was tried.
    expect((seen.get('200') ?? 0) + (seen.get('201') ?? 0)).toBeGreaterThan(REQUESTS / 20);
  }, 3_600_000);
});
