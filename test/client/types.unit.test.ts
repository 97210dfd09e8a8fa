/**
 * The client's types and the service's schemas say the same: checked by the compiler, field by field and both ways, so that
 * this file does not compile when they part. They are written twice so that a page needs nothing of the service.
 */
import { describe, expect, it } from '@jest/globals';
import type { z } from 'zod';
import type * as client from '../../src/client/types.js';
import type { driftBucket, usageBucket } from '../../src/http/routes/analytics.js';
import type { clockAnswer } from '../../src/http/routes/clock.js';
import type { listed } from '../../src/http/routes/connectors.js';
import type { job } from '../../src/http/routes/operations.js';
import type { warmUpAnswer } from '../../src/http/routes/warm-up.js';
import type { appendAnswer, storedEvent } from '../../src/http/schemas/events.js';
import type { lookupAnswer, manyAnswer, stateSchema } from '../../src/http/schemas/state.js';

type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;
function same<T extends true>(): T {
  return true as T;
}

describe('the types of the client', () => {
  it('are those of the service', () => {
    expect([
      same<Same<client.State, z.infer<typeof stateSchema>>>(),
      same<Same<client.LookupAnswer, z.infer<typeof lookupAnswer>>>(),
      same<Same<client.ManyAnswer, z.infer<typeof manyAnswer>>>(),
      same<Same<client.ClockAnswer, z.infer<typeof clockAnswer>>>(),
      same<Same<client.AppendAnswer, z.infer<typeof appendAnswer>>>(),
      same<Same<client.EventAnswer, z.infer<typeof storedEvent>>>(),
      same<Same<client.ListedConnector, z.infer<typeof listed>>>(),
      same<Same<client.DriftBucket, z.infer<typeof driftBucket>>>(),
      same<Same<client.UsageBucket, z.infer<typeof usageBucket>>>(),
      same<Same<client.WarmUpAnswer, z.infer<typeof warmUpAnswer>>>(),
      same<Same<client.Job, z.infer<typeof job>>>(),
    ]).not.toContain(false);
  });
});
