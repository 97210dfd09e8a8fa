/**
 * What other processes say has become void.
 *
 *   closed ──open──► connecting ──subscribed──► live ──connection ends──► waiting ──► connecting
 *
 * Nobody can know what was said while the connection was away. So whatever was kept because one would hear of its end is
 * let go at the moment it is lost, and nothing more is kept until it is live again: {@link Listener.isLive}.
 *
 * A subscription of Redis has no memory either. Between its node and another of a cluster a message may be lost in
 * silence; what then remains is kept no longer than the memory tier keeps anything.
 */
import type { RedisConnections } from './connections.js';
import { isVague, troubleOf } from './trouble.js';

/** One of both, or what nobody understands. */
export type Gone =
  /** A connector's row is another now: what rests on `syncId` is good still only where `isValid`. */
  | {
      /** Exchange, environment, scope and cache key. */
      readonly connector: string;
      readonly syncId: string;
      readonly measuredAtMs: number;
      readonly isValid: boolean;
    }
  /** A shared clock (exchange, environment and scope) began another epoch, is contested, or no more. */
  | { readonly clock: string }
  | 'everything';

export interface Listener {
  readonly isLive: boolean;
  close(): void;
}

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;
const ENDED = new Error('the connection is closed');

export function listen(
  connections: Pick<RedisConnections, 'subscriber'>,
  channel: string,
  hear: (gone: Gone) => void,
  /** Told why it is not live, at each attempt; `undefined`: it is. */
  tell: (problem: unknown) => void,
): Listener {
  let isLive = false;
  let isClosed = false;
  let pauseMs = FIRST_PAUSE_MS;
  let timer: NodeJS.Timeout | undefined;
  let end = () => {};

  async function connect(): Promise<void> {
    const client = connections.subscriber();
    let hasEnded = false;
    let isConnected = false;
    const lost = (error?: unknown) => {
      if (hasEnded) return;
      hasEnded = true;
      const wasLive = isLive;
      isLive = false;
      try {
        client.destroy();
      } catch {
        // It was never open.
      }
      if (isClosed) return;
      hear('everything');
      // A proxy that knows no channels says nothing, and ends the connection.
      const isUnknown = isConnected && !wasLive && isVague(troubleOf(error ?? ENDED));
      tell(isUnknown ? new Error('unsupported command: SUBSCRIBE ends the connection') : (error ?? ENDED));
      timer = setTimeout(() => void connect(), pauseMs);
      timer.unref();
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
    };
    end = () => lost();
    client.on('error', lost);
    client.on('end', lost);
    try {
      await client.connect();
      isConnected = true;
      await client.subscribe(channel, text => hear(parseGone(text)));
      if (hasEnded) return;
      pauseMs = FIRST_PAUSE_MS;
      isLive = true;
      tell(undefined);
    } catch (error) {
      lost(error);
    }
  }

  void connect();
  return {
    get isLive() {
      return isLive;
    },
    close() {
      isClosed = true;
      clearTimeout(timer);
      end();
    },
  };
}

/** What is not understood may mean anything: another release says something new. */
export function parseGone(text: string): Gone {
  try {
    const { k, s, at, ok, c } = JSON.parse(text) as Record<string, unknown>;
    if (typeof c === 'string') return { clock: c };
    if (typeof k === 'string' && typeof s === 'string' && typeof ok === 'boolean') {
      return { connector: k, syncId: s, measuredAtMs: Number(at), isValid: ok };
    }
  } catch {
    // Said by hand.
  }
  return 'everything';
}
