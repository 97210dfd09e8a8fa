/**
 * What the dashboard reads is what the service answers: held by the compiler, so that this file does not compile when they
 * part. The dashboard's types name what it shows, which may be less than there is. Those that it has of the client are held
 * in test/client/types.unit.test.ts.
 */
import { describe, expect, it } from '@jest/globals';
import type { z } from 'zod';
import type { CacheStats } from '../../src/cache/connector-state-cache-service.js';
import type { ProjectionsAnswer } from '../../src/client/types.js';
import type * as shown from '../../src/dashboard/app/api/types.js';
import type { clockLines } from '../../src/http/routes/clock-lines.js';
import type { listed } from '../../src/http/routes/connectors.js';
import type { clockForecastsAnswer } from '../../src/http/routes/forecast.js';
import type { stateAt } from '../../src/http/routes/history.js';
import type { me } from '../../src/http/routes/me.js';
import type { activity, refusals } from '../../src/http/routes/notable.js';
import type { deadLetters, projectionsAnswer } from '../../src/http/routes/operations.js';
import type { overviewAnswer } from '../../src/http/routes/overview.js';
import type { samplesAnswer } from '../../src/http/routes/samples.js';
import type { storedEvent } from '../../src/http/schemas/events.js';

type Answers<Schema, Shown> = Schema extends z.ZodType
  ? [z.infer<Schema>] extends [Shown]
    ? true
    : false
  : never;
function holds<T extends true>(): T {
  return true as T;
}

/** As `/v1/stats` puts it together; its schema lets more through than it names. */
type Stats = Omit<CacheStats, 'clocks'> & {
  clocks: (CacheStats['clocks'][number] & { distanceToRefusalMs: number })[];
};

describe('what the dashboard shows', () => {
  it('is in what the service answers', () => {
    expect([
      holds<Answers<typeof me, shown.Me>>(),
      holds<Answers<typeof clockLines, shown.Drift>>(),
      holds<Answers<typeof samplesAnswer, shown.Samples>>(),
      holds<Answers<typeof refusals, shown.Refusals>>(),
      holds<Answers<typeof clockForecastsAnswer, shown.ClockForecasts>>(),
      holds<Answers<typeof stateAt, shown.StateAt>>(),
      holds<Answers<typeof deadLetters, { deadLetters: shown.DeadLetter[] }>>(),
      holds<Answers<typeof projectionsAnswer, ProjectionsAnswer>>(),
      holds<
        [Omit<z.infer<typeof overviewAnswer>, 'stats'>] extends [Omit<shown.OverviewFigures, 'stats'>]
          ? true
          : false
      >(),
      holds<Answers<typeof activity, shown.Activity>>(),
      holds<Answers<typeof listed, shown.ConnectorRow>>(),
      holds<[z.infer<typeof storedEvent>] extends [Omit<shown.FeedEvent, 'data'>] ? true : false>(),
      holds<[Stats] extends [shown.Stats] ? true : false>(),
    ]).not.toContain(false);
  });
});
