/**
 * One answer for all who ask the same within a moment.
 *
 * A hundred open dashboards ask the same questions each time something was recorded, and each costs the database a scan and
 * this process a serialisation, beside the lookups of who is about to sign. Whoever says how old an answer may be
 * (`Cache-Control: max-age=<seconds>`, RFC 9111, 5.2.1.1) is given one that somebody else asked for no longer ago than that,
 * as it was sent, or waits for the one that is being made. Who does not say so is answered anew.
 *
 * Kept for each tenant and set of roles apart: what one user's key is told is told to that user's keys of the same rights.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { LRUCache } from 'lru-cache';

/** Longer is no moment. */
const LONGEST_S = 10;
/** Answers kept, and the longest that is, characters: a year of a clock is a hundred thousand. */
const MAX_ANSWERS = 16;
const MAX_LENGTH = 1024 * 1024;

interface Shared {
  /** By the process's clock. */
  readonly askedAtMs: number;
  /** `undefined`: it is no answer to share. */
  readonly payload: Promise<string | undefined>;
}

interface Making {
  readonly key: string;
  readonly shared: Shared;
  done(payload: string | undefined): void;
}

/**
 * For the routes of a plugin that answer by nothing but the address and the caller's tenant and roles.
 * @param nowMs a clock that does not step
 */
export function shareAnswers(app: FastifyInstance, nowMs = () => performance.now()): void {
  const answers = new LRUCache<string, Shared>({ max: MAX_ANSWERS, ttl: LONGEST_S * 1_000 });
  const making = new WeakMap<FastifyRequest, Making>();

  app.addHook('preHandler', async (request: FastifyRequest, reply: FastifyReply) => {
    const maxAgeMs = maxAgeOf(request.headers['cache-control']) * 1_000;
    if (maxAgeMs === 0 || request.method !== 'GET') return;
    const key = questionOf(request);
    const known = answers.get(key);
    if (known && nowMs() - known.askedAtMs <= maxAgeMs) {
      const payload = await known.payload;
      if (payload !== undefined) {
        const ageS = Math.max(0, Math.floor((nowMs() - known.askedAtMs) / 1_000));
        return reply.header('age', ageS).type('application/json; charset=utf-8').send(payload);
      }
    }
    let done: Making['done'] = () => undefined;
    const payload = new Promise<string | undefined>(resolve => {
      done = resolve;
    });
    const shared = { askedAtMs: nowMs(), payload };
    answers.set(key, shared);
    making.set(request, { key, shared, done });
    return undefined;
  });

  const end = (request: FastifyRequest, payload: string | undefined) => {
    const mine = making.get(request);
    if (!mine) return;
    making.delete(request);
    if (payload === undefined && answers.peek(mine.key) === mine.shared) answers.delete(mine.key);
    mine.done(payload);
  };
  app.addHook('onSend', async (request, reply, payload) => {
    const isShared =
      reply.statusCode === 200 &&
      String(reply.getHeader('content-type')).startsWith('application/json') &&
      typeof payload === 'string' &&
      payload.length <= MAX_LENGTH;
    end(request, isShared ? payload : undefined);
    return payload;
  });
  // Whoever left, or failed before there was anything to send.
  app.addHook('onResponse', async request => end(request, undefined));
  app.addHook('onRequestAbort', async request => end(request, undefined));
}

/** The same of all who are to be answered the same, where nothing but these makes the answer. */
export function questionOf({ principal: { userId = '', roles }, url }: FastifyRequest): string {
  return JSON.stringify([userId, [...roles].sort(), url]);
}

function maxAgeOf(header: string | undefined): number {
  const seconds = /(?:^|,)\s*max-age=(\d{1,6})\s*(?:,|$)/i.exec(header ?? '')?.[1];
  return Math.min(LONGEST_S, Number(seconds ?? 0));
}
