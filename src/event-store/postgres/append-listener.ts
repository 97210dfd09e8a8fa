/**
 * Hears of appends by LISTEN, on a connection of its own that all subscriptions of a store share: it is opened
 * for the first and closed after the last.
 *
 * What it hears is a hint and nothing more. The connection may drop silently, a pooler may swallow it, the server
 * may restart: subscriptions poll anyway, and a hint that is missed costs latency, never an event. So nothing
 * here fails; a lost connection is reported, tried again with growing pauses, and whoever listens is told
 * once when it is back, for what was said in between.
 */
import type { Client } from 'pg';
import {
  defer,
  firstValueFrom,
  NEVER,
  Observable,
  ReplaySubject,
  race,
  retry,
  share,
  switchMap,
  takeUntil,
  timer,
} from 'rxjs';
import type { DriverClient } from '../../postgres/cancel.js';
import { pg } from '../../postgres/driver.js';
import { toStoreError } from './failure.js';
import { retryPauseMs } from './waiting.js';

/** How long a server may take to say goodbye before the connection is cut. */
const GOODBYE_MS = 1_000;
const CONNECT_TIMEOUT_MS = 5_000;

export interface AppendListener {
  /** There may be something new. Never an error; complete once the listener is closed. */
  readonly hints: Observable<void>;
  /** Resolves when the connection is closed. */
  close(): Promise<void>;
}

/** For subscriptions that only poll. */
export const HEARS_NOTHING: AppendListener = { hints: NEVER, close: async () => {} };

/** @param onLoss hears of every connection that was lost or could not be made */
export function listenForAppends(connectionString: string, onLoss: (error: Error) => void): AppendListener {
  const closing = new ReplaySubject<void>(1);
  let goodbye: Promise<void> = Promise.resolve();

  const hintsOfOneConnection = new Observable<void>(subscriber => {
    const client = new pg.Client({
      connectionString,
      application_name: 'connector-state listener',
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
    });
    // The first is the loss. rxjs drops the others, and all once nobody listens: they tell of our own goodbye.
    const lose = (error: Error) => subscriber.error(error);
    client.on('error', lose);
    client.on('end', () => lose(new Error('the connection ended')));
    client.on('notification', () => subscriber.next());
    client
      .connect()
      .then(() => client.query('LISTEN connector_event'))
      .then(() => subscriber.next(), lose);
    return () => {
      goodbye = sayGoodbye(client);
    };
  });

  // Never two connections: each waits for the goodbye of the one before.
  const hints = defer(() => goodbye).pipe(
    switchMap(() => hintsOfOneConnection),
    retry({
      delay: (error, failures) => {
        onLoss(toStoreError(error, 'listen for appends, and polls instead'));
        return timer(retryPauseMs(failures));
      },
      resetOnSuccess: true,
    }),
    takeUntil(closing),
    share(),
  );

  return {
    hints,
    close() {
      closing.next();
      return goodbye;
    },
  };
}

/** A connection that cannot even be ended is as gone as one that was. Left open it would keep the process alive. */
async function sayGoodbye(client: Client): Promise<void> {
  await firstValueFrom(race(client.end(), timer(GOODBYE_MS))).catch(() => undefined);
  (client as unknown as DriverClient).connection.stream.destroy();
}
