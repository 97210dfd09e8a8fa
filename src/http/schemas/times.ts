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
