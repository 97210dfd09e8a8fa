/**
 * Next.js awaits this before a new process gets its first request: the database and the exchange are connected to, the
 * state is looked up and the account verified by then, so that the first request is one round trip on an open connection.
 *
 * It is compiled for the edge runtime as well, which has no `node:` modules. webpack leaves out what such an `if` encloses
 * there, but under `next dev` not what follows an early `return`.
 */
export async function register() {
  if (process.env.NEXT_RUNTIME === 'nodejs') {
    const { bybit } = await import('./lib/bybit');
    // A process must start although an exchange is away, and `next build` opens nothing: the first request tries again.
    await bybit().catch(() => undefined);
  }
}
