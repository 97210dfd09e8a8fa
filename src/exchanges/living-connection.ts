/**
 * A call that does not wait on a dead connection.
 *
 * A kept connection may have died without a sign. Then its first bytes are answered with a reset, with silence until
 * the time-out, or with the 408 of a server that had given up waiting for them. Or it dies under the answer. So:
 *
 *   kept connection ──► answer                        the ordinary way
 *        │  broken before the answer is whole, 408 ─► once more, on a fresh connection
 *        │  silent for longer than answers took ───► race: a fresh connection beside it, the first answer wins
 *
 * Where one kept connection is found dead the others are taken for dead too: they lay idle through the same freeze.
 * The request is made and signed anew for the fresh connection, so that its timestamp is not as old as the wait. Only
 * GET is ever sent twice: it changes nothing. What may have been executed is never sent again.
 */
import {
  type HttpFailure,
  type HttpReply,
  type HttpRequest,
  type HttpTransport,
  isFailure,
} from './http-transport.js';

/** Sends the one request of a call. */
export interface Sender {
  /** Never rejects. */
  send(request: HttpRequest): Promise<HttpReply | HttpFailure>;
}

type Outcome = HttpReply | HttpFailure;

/**
 * @param call makes the request, signs it and hands it to the sender; run a second time where the first connection
 *   shows no life
 * @returns what came of it first, a failure only when nothing else is under way
 * @throws what `call` throws
 */
export function onLivingConnection(
  transport: HttpTransport,
  call: (sender: Sender) => Promise<Outcome>,
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const attempts: AbortController[] = [];
    let underWay = 0;

    const finish = (end: () => void) => {
      end();
      underWay = 0;
      for (const attempt of attempts) attempt.abort();
    };
    const isOver = (attempt: AbortController) => attempt.signal.aborted;

    const run = () => {
      const attempt = new AbortController();
      const isFirst = attempts.push(attempt) === 1;
      underWay++;
      let isRepeatable = false;
      const repeat = () => {
        if (!isFirst || attempts.length > 1 || !isRepeatable || isOver(attempt)) return false;
        transport.dropIdle();
        run();
        return true;
      };
      const sender: Sender = {
        send(request) {
          isRepeatable = request.method === 'GET';
          return transport.send(request, { signal: attempt.signal, onSilence: repeat });
        },
      };
      call(sender).then(
        outcome => {
          if (isOver(attempt)) return;
          underWay--;
          // A time-out is the call's, however many requests it took.
          const isFinal = !isFailure(outcome) || outcome.failure === 'timeout';
          if (isOfDeadConnection(outcome) && repeat()) return;
          if (isFinal || underWay === 0) finish(() => resolve(outcome));
        },
        error => {
          if (isOver(attempt)) return;
          underWay--;
          if (underWay === 0) finish(() => reject(error));
        },
      );
    };
    run();
  });
}

function isOfDeadConnection(outcome: Outcome): boolean {
  if (isFailure(outcome)) return outcome.isDeadConnection === true;
  // Who gives a connection up says "Request Timeout" and closes it; an exchange whose own work took too long does not.
  return outcome.status === 408 && !outcome.isCold && outcome.headers.connection === 'close';
}
