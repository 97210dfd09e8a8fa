/**
 * Why `fetch` failed, for a message. The runtime's own words may hold the URL, and that a signature, or the headers, and these a
 * token; the network's code, where the runtime gives it, says most: in Node all that cannot be reached is a `TypeError`.
 */
export function kindOfFailure(error: unknown): string {
  const { name, cause } = (error ?? {}) as { readonly name?: unknown; readonly cause?: unknown };
  const { code } = (cause ?? {}) as { readonly code?: unknown };
  if (typeof code === 'string' && /^[A-Z][A-Z_]{2,40}$/.test(code)) return code;
  return error instanceof Error ? String(name) : typeof error;
}
