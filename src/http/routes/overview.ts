/**
 * All that the dashboard's overview shows, in one answer: whoever looks asks once and not five times, and all who look within
 * a moment are given the same (shared-answers.ts). Decision 62.
 */
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { toDatabaseError } from '../../postgres/pool.js';
import { notableEvents } from '../../read-model/notable-queries.js';
import { roundTrips } from '../../read-model/sample-queries.js';
import { usageSeries } from '../../read-model/usage-series.js';
import { allow, type Principal } from '../access/access.js';
import { timeMs } from '../schemas/times.js';
import { questionOf, shareAnswers } from '../shared-answers.js';
import { statsAnswer, statsOf, usageBucket } from './analytics.js';
import { activity, shownTo } from './notable.js';
import { projectionsAnswer, projectionsOf } from './operations.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const MOST_BUCKETS = 1_000;
const MOST_EVENTS = 50;
/** What is counted over all states, or over an hour's samples, hardly changes meanwhile, and costs more than all else here. */
const KEPT_MS = 10_000;

export const overviewAnswer = z.object({
  nowMs: timeMs,
  stats: statsAnswer.describe('As /v1/stats; up to ten seconds old.'),
  usage: z.array(usageBucket).describe('Of the last 24 hours, by the hour.'),
  roundTrips: z
    .object({
      total: z.number(),
      roundTripMedianMs: z.number().nullable(),
      roundTripP99Ms: z.number().nullable(),
    })
    .describe('Of what was measured in the last hour; up to ten seconds old.'),
  activity: activity.describe(`Of the last hour, ${MOST_EVENTS} at most.`),
  projections: projectionsAnswer.nullable().describe('As /v1/projections; null: the caller is no operator.'),
});

export const overviewRoutes: FastifyPluginAsyncZod = async app => {
  shareAnswers(app);
  const { analytics, upkeep, state } = app.parts;
  const { clock } = upkeep.cache;
  const elsewhere = state.settings.eventStoreUrl !== undefined;
  const lastTrips = kept(nowMs => roundTrips(analytics, nowMs - HOUR_MS, nowMs));
  const stats = kept(() => statsOf(upkeep.cache));

  app.get(
    '/v1/overview',
    {
      config: allow(['analyst'], 'hidden'),
      schema: {
        tags: ['analytics'],
        summary: 'Whether it is well, in one answer: what the dashboard opens with',
        response: { 200: overviewAnswer },
      },
    },
    request => app.analyses.take(questionOf(request), () => overviewOf(request.principal)),
  );

  async function overviewOf({ roles, userId }: Principal) {
    const nowMs = clock.now();
    const lastDay = {
      fromMs: nowMs - DAY_MS,
      untilMs: nowMs,
      bucketMs: HOUR_MS,
      byHost: false,
      limit: MOST_BUCKETS,
    };
    const lastHour = { fromMs: nowMs - HOUR_MS, untilMs: nowMs + 1, limit: MOST_EVENTS };
    try {
      // One after the other: five processes of the database at work at once leave lookups none.
      const figures = await stats(nowMs);
      const usage = await usageSeries(analytics, lastDay);
      const trips = await lastTrips(nowMs);
      const events = await notableEvents(analytics, lastHour);
      const projections = roles.has('operator') ? await projectionsOf(upkeep) : null;
      return {
        nowMs,
        stats: figures,
        usage,
        roundTrips: trips,
        activity: { elsewhere, events: events.map(event => shownTo(event, userId)) },
        projections,
      };
    } catch (error) {
      throw toDatabaseError(error);
    }
  }
};

/** Made anew when it is older than {@link KEPT_MS}, or failed. */
function kept<T>(make: (nowMs: number) => Promise<T>): (nowMs: number) => Promise<T> {
  let last: { readonly atMs: number; readonly made: Promise<T> } | undefined;
  return nowMs => {
    // A clock that was set back would keep it for as long.
    const ageMs = nowMs - (last?.atMs ?? 0);
    if (last && ageMs >= 0 && ageMs < KEPT_MS) return last.made;
    const made = make(nowMs);
    last = { atMs: nowMs, made };
    made.catch(() => {
      last = undefined;
    });
    return made;
  };
}
