/**
 * Faults that strike once (or `times`), in the order they were queued: the first whose route fits is taken.
 */
import { z } from 'zod';
import { InvalidInputError } from '../../base/errors.js';
import { ROUTES, type Route } from './knobs.js';
import { TOLD_TIMES } from './told-time.js';

const target = {
  /** Default `any`. */
  route: z.enum([...ROUTES, 'any']).optional(),
  /** Default 1. */
  times: z.int().min(1).max(1e6).optional(),
};
const text = z.string().max(100_000);

const faultSchema = z.discriminatedUnion('kind', [
  /** A refusal in the exchange's own envelope. */
  z.strictObject({ ...target, kind: z.literal('code'), code: z.int(), message: text.optional() }),
  /** An HTTP status, with a body of any sort. */
  z.strictObject({
    ...target,
    kind: z.literal('http'),
    status: z.int().min(200).max(599),
    body: text.optional(),
    contentType: z.string().max(100).optional(),
  }),
  /** HTTP 200 with this body instead of the answer. */
  z.strictObject({ ...target, kind: z.literal('body'), body: text }),
  /** The answer, cut in the middle of its JSON. */
  z.strictObject({ ...target, kind: z.literal('malformed-json') }),
  /** The right answer with another value where the server's clock belongs; none at all when left out. */
  z.strictObject({ ...target, kind: z.literal('wrong-time'), value: z.unknown().optional() }),
  /** The right answer with a time as the knob of that name tells it. */
  z.strictObject({ ...target, kind: z.literal('told-time'), toldTime: z.enum(TOLD_TIMES) }),
  /** The right answer, so much later. */
  z.strictObject({ ...target, kind: z.literal('delay'), delayMs: z.number().min(0).max(600_000) }),
  z.strictObject({ ...target, kind: z.literal('hang') }),
  /** The connection is reset instead of an answer. */
  z.strictObject({ ...target, kind: z.literal('reset') }),
  /** Judged, and executed if it is an order; then the connection is reset in place of the answer. */
  z.strictObject({ ...target, kind: z.literal('lost') }),
  /** The connection ends in the middle of the answer's body. */
  z.strictObject({ ...target, kind: z.literal('cut') }),
]);

export type Fault = z.infer<typeof faultSchema>;

/** @throws InvalidInputError that names every problem */
export function parseFault(value: unknown): Fault {
  const parsed = faultSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new InvalidInputError(`invalid fault:\n${z.prettifyError(parsed.error)}`);
}

/** The fault for a request on `route`, and the queue after it. */
export function takeFault(
  queue: readonly Fault[],
  route: Route,
): { readonly fault: Fault | undefined; readonly rest: readonly Fault[] } {
  const index = queue.findIndex(({ route: wanted = 'any' }) => wanted === 'any' || wanted === route);
  const fault = queue[index];
  if (!fault) return { fault: undefined, rest: queue };
  const timesLeft = (fault.times ?? 1) - 1;
  const again = timesLeft > 0 ? [{ ...fault, times: timesLeft }] : [];
  return { fault, rest: [...queue.slice(0, index), ...again, ...queue.slice(index + 1)] };
}
