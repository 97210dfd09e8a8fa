/**
 * Statements that are sent one behind the other leave as one: `pg` writes each to the socket by itself, and a flush has
 * two dozen of them, which was a sixth of its processor time, and as many packets.
 */
import type { ClientBase } from 'pg';
import type { DriverClient } from './cancel.js';

/** So much is not held back for what comes behind it. */
const ENOUGH_BYTES = 65_536;

const held = new WeakSet<object>();

/** Whether it sends without waiting for an answer: in pg's pipeline mode, which is the user's to choose where the pool is his. */
export const sendsOn = (client: ClientBase): boolean => (client as { pipeline?: boolean }).pipeline === true;

/**
 * Sends one, and keeps it until the end of the turn of the event loop, so that what is sent behind it goes along.
 * @param send calls the client's `query`; of no use unless the client sends on
 */
export function sendTogether<T>(client: ClientBase, send: () => T): T {
  const { stream } = (client as DriverClient).connection;
  if (!held.has(stream)) {
    held.add(stream);
    stream.cork();
    process.nextTick(() => {
      held.delete(stream);
      stream.uncork();
    });
  }
  const sent = send();
  if (stream.writableLength > ENOUGH_BYTES) {
    stream.uncork();
    stream.cork();
  }
  return sent;
}
