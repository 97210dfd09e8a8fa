/** Connections of a rebuild that do not do as they are told. */
import type { Client } from 'pg';
import { pg } from '../../src/postgres/driver.js';
import { TRY_LOCK_FOR_REBUILD } from '../../src/projector/lock.js';

type Query = (...args: unknown[]) => Promise<unknown>;
const textOf = (given: unknown) => (typeof given === 'string' ? given : (given as { text: string }).text);

function clientOf(
  url: string,
  query: (client: Client, original: Query, args: unknown[]) => Promise<unknown>,
): Client {
  const client = new pg.Client({ connectionString: url });
  const original = client.query.bind(client) as unknown as Query;
  return Object.assign(client, { query: (...args: unknown[]) => query(client, original, args) });
}

/** As a release had it whose rebuilds did not queue. */
export const clientThatDoesNotQueue = (url: string): Client =>
  clientOf(url, (_, original, args) =>
    textOf(args[0]) === TRY_LOCK_FOR_REBUILD ? Promise.resolve({ rows: [['t']] }) : original(...args),
  );

/** At the first statement that says `text`. */
export const clientThatBreaksAt = (url: string, text: string): Client =>
  clientOf(url, (client, original, args) => {
    if (textOf(args[0]).includes(text)) breakUp(client);
    return original(...args);
  });

const breakUp = (client: Client) =>
  (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();

/** To the server as if its process had been killed before or after the nth statement, from 0. */
export function clientThatBreaks(url: string, statement: number, when: 'before' | 'after'): Client {
  let statements = 0;
  return clientOf(url, async (client, original, args) => {
    const isIt = statements++ === statement;
    if (isIt && when === 'before') breakUp(client);
    const result = await original(...args);
    if (isIt && when === 'after') {
      breakUp(client);
      throw new Error('Connection terminated unexpectedly');
    }
    return result;
  });
}
