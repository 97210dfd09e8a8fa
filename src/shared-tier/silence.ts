/**
 * When a connection is to be given up because nobody answers it, by place: one server, or one cell of a cluster.
 *
 * The client cannot tell. Its own time-out is that of Node's sockets, for which what is written is activity too, so as long
 * as lookups come a connection that the network has forgotten never idles: until the system gives up, a quarter of an hour
 * later, all of them go without Redis (redis@6.3.1).
 *
 * A connection made anew in vain is made again later, twice as late each time: whoever only stands still for long is not
 * helped by a thousand processes that come back every few seconds.
 */
const FIRST_LIMIT_MS = 3_000;
const LONGEST_LIMIT_MS = 24_000;

export interface Waiting {
  /** Answered, refused, or not sent at all. */
  end(nowMs: number): void;
}

class Place implements Waiting {
  unanswered = 0;
  /** Since then nothing has been answered. */
  sinceMs = 0;
  readonly #heard: () => void;

  constructor(heard: () => void) {
    this.#heard = heard;
  }

  end(nowMs: number): void {
    this.unanswered--;
    this.sinceMs = nowMs;
    this.#heard();
  }
}

export class Silence {
  #limitMs = FIRST_LIMIT_MS;
  #places = new Map<string, Place>();
  #given: string | undefined;

  /** @param give what to do where nothing has been answered for so long; what it was asked is forgotten */
  begin(name: string, nowMs: number, give: () => void): Waiting {
    const known = this.#places.get(name);
    if (known && known.unanswered > 0 && nowMs - known.sinceMs >= this.#limitMs) {
      this.#limitMs = Math.min(this.#limitMs * 2, LONGEST_LIMIT_MS);
      this.#given = name;
      this.#places = new Map();
      give();
    }
    let place = this.#places.get(name);
    if (!place) {
      const places = this.#places;
      place = new Place(() => {
        // Of a connection that was given up nothing is heard but its end.
        if (this.#places !== places || this.#given !== name) return;
        this.#given = undefined;
        this.#limitMs = FIRST_LIMIT_MS;
      });
      places.set(name, place);
    }
    if (place.unanswered++ === 0) place.sinceMs = nowMs;
    return place;
  }
}
