/**
 * Giving a borrowed connection back to its pool, or ending it.
 *
 * A connection with answers outstanding is in doubt: the next user would be given them, and nobody knows what its
 * transaction is at. It is cut, not ended: pg's own goodbye waits for what was sent already, which may never be
 * answered. To the server that is a client that died; it rolls back.
 */
import type { ClientBase, PoolClient } from 'pg';

export function giveBack(client: PoolClient, isSound: boolean): void {
  if (!isSound) cutConnection(client);
  client.release(!isSound);
}

/** Ends what is under way on it with an error. */
export function cutConnection(client: ClientBase): void {
  const { connection } = client as unknown as { connection: { stream: { destroy(): void } } };
  connection.stream.destroy();
}
