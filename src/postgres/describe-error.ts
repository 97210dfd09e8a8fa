/** The code and the words of whatever a driver rejects with. */

/** Connecting to a name with several addresses fails with an AggregateError that has no message of its own. */
export function describeDatabaseError(error: unknown): { code: string | undefined; message: string } {
  if (error instanceof AggregateError && error.errors.length > 0)
    return describeDatabaseError(error.errors[0]);
  const code = (error as { code?: unknown })?.code;
  return {
    code: typeof code === 'string' ? code : undefined,
    message: error instanceof Error ? error.message : 'unknown error',
  };
}
