/**
 * What a simulated exchange tells when it is asked for the time, which need not be what its clock shows. It always
 * judges requests by its clock; told in answers is what a cache, a broken server or a wrong unit makes of it.
 */

export const TOLD_TIMES = [
  'right',
  'cached',
  'backwards',
  'future',
  'seconds',
  'microseconds',
  'nanoseconds',
  'zero',
  'negative',
  'null',
] as const;
export type ToldTime = (typeof TOLD_TIMES)[number];

const BACKWARDS_BY_MS = 1000;
const FUTURE_BY_MS = 10 * 366 * 86_400_000;

export interface Told {
  /** Told in every stamp; the edge's `Date` header goes by it too. */
  readonly timeMs: number;
  /** In the place of the body's stamps; undefined to tell `timeMs` there as well. */
  readonly instead?: { readonly value: unknown } | undefined;
}

/** @param lastMs what was told with the answer before; undefined before the first */
export function toldTime(kind: ToldTime, serverTimeMs: number, lastMs: number | undefined): Told {
  const right = { timeMs: serverTimeMs };
  switch (kind) {
    case 'right':
      return right;
    case 'cached':
      return { timeMs: lastMs ?? serverTimeMs };
    case 'backwards':
      return { timeMs: (lastMs ?? serverTimeMs) - BACKWARDS_BY_MS };
    case 'future':
      return { timeMs: serverTimeMs + FUTURE_BY_MS };
    case 'seconds':
      return { ...right, instead: { value: Math.floor(serverTimeMs / 1e3) } };
    case 'microseconds':
      return { ...right, instead: { value: Math.floor(serverTimeMs * 1e3) } };
    case 'nanoseconds':
      return { ...right, instead: { value: Math.floor(serverTimeMs * 1e3) * 1e3 } };
    case 'zero':
      return { ...right, instead: { value: 0 } };
    case 'negative':
      return { ...right, instead: { value: -Math.floor(serverTimeMs) } };
    case 'null':
      return { ...right, instead: { value: null } };
  }
}
