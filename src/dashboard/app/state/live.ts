/**
 * Ticks for what is loaded: one when an event that matters was recorded, but not many for a burst of them, and one more when
 * it has been quiet since, for what the service had kept from before. So too once after the feed began: what was recorded
 * between the page's first question and the feed's first place is told by neither. How often there is news at all the feed
 * says, which tells each page at moments of its own (api/feed.ts).
 */
import { useEffect, useState } from 'preact/hooks';
import { feedState, type News, onFeedEvent, resets } from '../api/feed.js';
import { serviceAheadMs } from './service-time.js';

/** The feed hears of an event before it is projected, and who asks at once would be told what was before. */
const PROJECTED_AFTER_MS = 1_000;
/** Longer than any answer is kept, and than the feed lets news wait: after that nothing on the page is of before. */
const SETTLED_AFTER_MS = 12_000;

/** @param matters default: every event */
export function useLiveTick(matters: (news: News) => boolean = () => true): number {
  const [tick, setTick] = useState(0);
  const isLive = feedState.value === 'live';
  useEffect(() => {
    if (!isLive) return undefined;
    const settled = setTimeout(() => setTick(n => n + 1), SETTLED_AFTER_MS);
    return () => clearTimeout(settled);
  }, [isLive]);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let last: ReturnType<typeof setTimeout> | undefined;
    const count = () => setTick(n => n + 1);
    const end = onFeedEvent(news => {
      if (timer !== undefined || !matters(news)) return;
      timer = setTimeout(() => {
        timer = undefined;
        count();
        clearTimeout(last);
        last = setTimeout(count, SETTLED_AFTER_MS);
      }, PROJECTED_AFTER_MS);
    });
    return () => {
      end();
      clearTimeout(timer);
      clearTimeout(last);
    };
  }, []);
  return tick + resets.value * 1_000_000;
}

/** The service's time, anew every `everyMs`: ages on a page go on though nothing is loaded. */
export function useNow(everyMs = 1_000): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => !document.hidden && setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now + serviceAheadMs.value;
}
