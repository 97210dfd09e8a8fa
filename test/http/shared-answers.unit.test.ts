/** One answer for all who ask the same within a moment, and for nobody else. */
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import fastify, { type FastifyInstance } from 'fastify';
import type { Principal } from '../../src/http/access/access.js';
import { shareAnswers } from '../../src/http/shared-answers.js';

let app: FastifyInstance;
let nowMs: number;
let made: number;
/** What the next answers wait for. */
let gate: Promise<void>;

beforeEach(async () => {
  app = fastify();
  nowMs = 0;
  made = 0;
  gate = Promise.resolve();
  app.decorateRequest('principal');
  app.addHook('onRequest', async request => {
    const roles = new Set([request.headers['x-role'] ?? 'analyst']);
    request.principal = { userId: request.headers['x-user'], roles } as unknown as Principal;
  });
  shareAnswers(app, () => nowMs);
  app.get('/figures', async (request, reply) => {
    const n = ++made;
    await gate;
    const { fails, csv } = request.query as { fails?: string; csv?: string };
    if (fails !== undefined && n === 1) throw new Error('not this time');
    if (csv !== undefined) return reply.type('text/csv').send(`n\r\n${n}`);
    return { n };
  });
});
afterEach(() => app.close());

async function ask(url = '/figures', maxAge: number | undefined = 2, user?: string) {
  const answer = await app.inject({
    url,
    headers: {
      ...(maxAge !== undefined && { 'cache-control': `max-age=${maxAge}` }),
      ...(user && { 'x-user': user }),
    },
  });
  return {
    status: answer.statusCode,
    body: answer.body,
    type: String(answer.headers['content-type']).split(';')[0],
    age: answer.headers.age,
  };
}

describe('an answer', () => {
  it('is given to who asks the same within the age that he takes, as it was', async () => {
    expect(await ask()).toEqual({ status: 200, body: '{"n":1}', type: 'application/json', age: undefined });
    nowMs = 1_999;
    expect(await ask()).toEqual({ status: 200, body: '{"n":1}', type: 'application/json', age: '1' });
    nowMs = 2_001;
    expect((await ask()).body).toBe('{"n":2}');
  });

  it('is made anew for who does not say how old it may be, or asks something else, or is of another tenant', async () => {
    await ask();
    expect((await ask('/figures', 0)).body).toBe('{"n":2}');
    const { body } = await app.inject('/figures');
    expect(body).toBe('{"n":3}');
    expect((await ask('/figures?of=BYBIT')).body).toBe('{"n":4}');
    expect((await ask('/figures', 2, 'alice')).body).toBe('{"n":5}');
    expect((await ask('/figures', 2, 'bob')).body).toBe('{"n":6}');
    expect((await ask('/figures', 2, 'alice')).body).toBe('{"n":5}');
    expect((await ask()).body).toBe('{"n":1}');
  });

  it('is older than ten seconds for nobody', async () => {
    await ask('/figures', 3_600);
    nowMs = 10_001;
    expect((await ask('/figures', 3_600)).body).toBe('{"n":2}');
  });

  it('is made once while many wait for it', async () => {
    let open = () => {};
    gate = new Promise(resolve => {
      open = resolve;
    });
    const all = Array.from({ length: 20 }, () => ask());
    while (made === 0) await pause(1);
    open();
    expect(new Set((await Promise.all(all)).map(({ body }) => body))).toEqual(new Set(['{"n":1}']));
    expect(made).toBe(1);
  });

  it('that is a refusal, or no JSON, is nobody else’s', async () => {
    expect((await ask('/figures?fails')).status).toBe(500);
    expect((await ask('/figures?fails')).body).toBe('{"n":2}');
    expect(await ask('/figures?csv')).toMatchObject({ body: 'n\r\n3', type: 'text/csv' });
    expect(await ask('/figures?csv')).toMatchObject({ body: 'n\r\n4', type: 'text/csv' });
  });
});
