/** Figures in answers. */
import { z } from 'zod';

export const timeMs = z.number().describe('Epoch milliseconds.');
export const offsetMs = z.number().describe('Milliseconds.');
export const uncertaintyMs = z.number().describe('The error is at most this, milliseconds.');

/** What a caller sends to know its own answer again: whatever an intermediary kept carries another one. */
export const nonce = z
  .string()
  .regex(/^[\x21-\x7e]{1,128}$/)
  .describe('1 to 128 visible ASCII characters, new in each request; comes back as it was sent.');

const UNITS_MS = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;
const LATEST_MS = 8_640_000_000_000_000;

const MOMENT = 'a time (2026-11-17T09:30:00Z) or epoch milliseconds';
const error = ({ input }: { readonly input?: unknown }) =>
  input === undefined ? `is missing: give ${MOMENT}` : `must be ${MOMENT}`;
const spanError = ({ input }: { readonly input?: unknown }) =>
  `${input === undefined ? 'is missing: give' : 'must be'} a span that ends now (90m, 24h, 7d, 2w), ${MOMENT}`;

/** A moment: ISO 8601 or epoch milliseconds. */
export const moment = z
  .string({ error })
  .regex(/^(\d{1,15}|\d{4}-\d\d-\d\d([T ][\d:.]{1,20}(Z|[+-]\d\d:?\d\d)?)?)$/, { error })
  .transform(text => (/^\d{5,}$/.test(text) ? Number(text) : Date.parse(text)))
  .pipe(z.number({ error }).min(0, { error }).max(LATEST_MS, { error }));

/** A moment, or a span that ends now: `90m`, `24h`, `7d`, `2w`. */
export const span = z.union(
  [
    z
      .string()
      .regex(/^\d{1,5}[mhdw]$/)
      .transform(text => ({
        agoMs: Number(text.slice(0, -1)) * UNITS_MS[text.slice(-1) as keyof typeof UNITS_MS],
      })),
    moment.transform(atMs => ({ atMs })),
  ],
  { error: spanError },
);
