/**
 * A pool whose connections break at chosen statements: before the server has seen the statement, or after it
 * has run it and before the answer counts. The second is the nasty one: a COMMIT that happened and that the
 * client never heard of. To the server both look like a client that was killed.
 */
import type { Pool, PoolClient } from 'pg';

export interface Crash {
  /** Counted over all connections of the pool, from 0. */
  readonly statement: number;
  readonly when: 'before' | 'after';
}

export function crashingPool(pool: Pool, crashes: readonly Crash[]): Pool {
  const plan = new Map(crashes.map(({ statement, when }) => [statement, when]));
  let statements = 0;

  const breakUp = (client: PoolClient) =>
    (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();

  const wrap = (client: PoolClient) =>
    withOwn(client, {
      async query(...args: Parameters<PoolClient['query']>) {
        const when = plan.get(statements++);
        if (when === 'before') breakUp(client);
        const result = await client.query(...args);
        if (when === 'after') {
          breakUp(client);
          throw new Error('Connection terminated unexpectedly');
        }
        return result;
      },
    });

  return withOwn(pool, { connect: async () => wrap(await pool.connect()) });
}

/** The object with some methods of its own in front; everything else is the object's. */
function withOwn<T extends object>(object: T, own: Record<string, unknown>): T {
  return new Proxy(object, {
    get(target, name) {
      if (typeof name === 'string' && Object.hasOwn(own, name)) return own[name];
      const value = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
