/** A connector in a request: the same bounds as src/events/connector.ts, as schemas. */
import { z } from 'zod';
import {
  ENVIRONMENTS,
  EXCHANGE_PATTERN,
  MAX_ID_LENGTH,
  parseId,
  SCOPE_PATTERN,
} from '../../events/connector.js';

const id = (name: string, description: string) =>
  z
    .string()
    .min(1)
    .max(MAX_ID_LENGTH)
    .refine(isId, `${name} must not contain control characters or unpaired surrogates`)
    .describe(description);

function isId(value: string): boolean {
  try {
    parseId('id', value);
    return true;
  } catch {
    return false;
  }
}

export const userId = id('userId', 'The user whose connector it is.');
export const credentialId = id(
  'credentialId',
  "The user's credential on the exchange. Never a key or a secret.",
);
export const exchange = z
  .string()
  .regex(EXCHANGE_PATTERN)
  .describe(
    'The name of an exchange, such as BYBIT: shipped, or registered by whoever makes connectors of it.',
  );
export const environment = z.enum(ENVIRONMENTS);
export const scope = z
  .string()
  .regex(SCOPE_PATTERN)
  .describe(
    "Whose clock judges: the exchange's own host (`default`), another host's origin, or a name of yours.",
  );

export const credentialParams = z.object({ userId, credentialId });
export const connectorParams = z.object({ exchange, environment, userId, credentialId });
export const connectorRef = z.strictObject({
  exchange,
  environment,
  userId,
  credentialId,
  scope: scope.optional(),
});
