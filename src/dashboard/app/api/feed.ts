/**
 * The live feed, as a hint: something was recorded, so what is on the page may have changed.
 *
 * Read by `fetch` and not by EventSource, which can send no key and gives up for good at a 401, 429 or 503. One stream a
 * page, none while the page is hidden (a browser opens six connections to a host), resumed at the last event that came. A
 * `reset` says that it cannot be resumed: everything on the page is loaded again. Silence for longer than three heartbeats
 * is a dead connection.
 */
import { signal } from '@preact/signals';
import { createParser, type EventSourceMessage } from 'eventsource-parser';
import { RequestFailure, send } from './request.js';
import type { FeedEvent } from './types.js';

export type FeedState = 'off' | 'connecting' | 'live' | 'paused' | 'waiting' | 'refused';

export const feedState = signal<FeedState>('off');
/** Grows when everything on the page is to be loaded again. */
export const resets = signal(0);

const PATH = 'v1/events/feed';
/**
 * What was before is on the page already, or will be asked for. News may be so old: a hundred pages read them. Of hits, most
 * of a busy log, it is enough to know that there were some.
 */
const FROM_NOW_ON = { afterReset: 'end', gatherMs: 3_000, hits: 'counted' };
const RETRY_MS = { first: 1_000, longest: 30_000 };
const SILENCE_MS = 45_000;

/** `data` is missing of hits, which are only counted: they may be anybody's. */
export type News = Pick<FeedEvent, 'type' | 'data'>;
type Listener = (news: News) => void;
const listeners = new Set<Listener>();

/** @returns ends the listening */
export function onFeedEvent(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Follows the feed until the end that it returns is called. */
export function followFeed(): () => void {
  let lastId = '';
  let failures = 0;
  let abort = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isOver = false;
  let hasFollowed = false;

  const again = (state: FeedState, pauseMs: number) => {
    if (isOver) return;
    feedState.value = state;
    timer = setTimeout(run, pauseMs);
  };
  const run = () => {
    clearTimeout(timer);
    if (isOver || document.hidden) return;
    abort = new AbortController();
    const { signal } = abort;
    feedState.value = 'connecting';
    follow(signal, lastId, {
      opened: () => {
        // What was missed while nobody followed is on no page yet.
        if (failures > 0 || (hasFollowed && lastId === '')) resets.value += 1;
        failures = 0;
        hasFollowed = true;
        feedState.value = 'live';
      },
      id: id => {
        lastId = id;
      },
      reset: () => {
        lastId = '';
        resets.value += 1;
      },
    }).then(
      () => again('waiting', RETRY_MS.first),
      (error: unknown) => {
        if (isOver || document.hidden) return;
        failures++;
        const kind = error instanceof RequestFailure ? error.kind : 'unreachable';
        if (kind === 'unauthenticated' || kind === 'forbidden' || kind === 'not-found') {
          feedState.value = 'refused';
          return;
        }
        const retryAfterMs = error instanceof RequestFailure ? error.retryAfterMs : undefined;
        const pause = Math.min(RETRY_MS.longest, RETRY_MS.first * 2 ** failures);
        // Drawn, so that a hundred pages do not come back at once.
        again('waiting', retryAfterMs ?? pause * (0.5 + Math.random() / 2));
      },
    );
  };
  const onVisibility = () => {
    if (document.hidden) {
      feedState.value = 'paused';
      abort.abort();
      clearTimeout(timer);
    } else run();
  };
  document.addEventListener('visibilitychange', onVisibility);
  run();
  return () => {
    isOver = true;
    document.removeEventListener('visibilitychange', onVisibility);
    clearTimeout(timer);
    abort.abort();
    feedState.value = 'off';
  };
}

interface Hooks {
  readonly opened: () => void;
  readonly id: (id: string) => void;
  readonly reset: () => void;
}

/** Resolves when the service ends the stream. */
async function follow(outer: AbortSignal, lastId: string, hooks: Hooks): Promise<void> {
  const abort = new AbortController();
  const stop = () => abort.abort();
  outer.addEventListener('abort', stop, { once: true });
  let silence = setTimeout(stop, SILENCE_MS);
  try {
    const response = await send('GET', PATH, FROM_NOW_ON, undefined, abort.signal, {
      accept: 'text/event-stream',
      ...(lastId !== '' && { 'last-event-id': lastId }),
    });
    hooks.opened();
    const parser = createParser({ onEvent: message => take(message, hooks) });
    const text = response.body?.pipeThrough(
      new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>,
    );
    const reader = (text as ReadableStream<string>).getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      clearTimeout(silence);
      silence = setTimeout(stop, SILENCE_MS);
      parser.feed(value);
    }
  } finally {
    clearTimeout(silence);
    outer.removeEventListener('abort', stop);
  }
}

function take({ id, event, data }: EventSourceMessage, hooks: Hooks): void {
  if (id) hooks.id(id);
  if (event === 'reset') {
    hooks.reset();
    return;
  }
  if (event === 'hits') {
    tell({ type: 'ConnectorStateHit', data: undefined });
    return;
  }
  // `caught-up`, `cut-off`: the stream's own.
  if (event !== undefined && event !== 'message') return;
  let parsed: FeedEvent;
  try {
    parsed = JSON.parse(data) as FeedEvent;
  } catch {
    // No event of ours.
    return;
  }
  tell(parsed);
}

function tell(news: News): void {
  for (const listener of listeners) listener(news);
}
