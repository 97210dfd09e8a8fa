/**
 * Data on a page: loaded when its address changes, again when somebody says so, and by itself after a failure that may
 * pass. What was shown stays while it is loaded again, and stays, marked as old, when that fails.
 */
import { useEffect, useRef, useState } from 'preact/hooks';
import { RequestFailure } from '../api/request.js';
import { serviceNow } from './service-time.js';
import { sessionNumber } from './session.js';

export interface Resource<T> {
  readonly data: T | undefined;
  readonly failure: RequestFailure | undefined;
  readonly isLoading: boolean;
  /** When `data` came, by the service's clock; epoch ms. */
  readonly loadedAtMs: number | undefined;
  readonly reload: () => void;
}

const RETRY_MS = { first: 2_000, longest: 30_000 };
const MAY_PASS = new Set(['unavailable', 'unreachable']);

/**
 * @param key of what is loaded: another key, another thing. `undefined`: nothing is to be loaded now.
 * @param tick grows when what is loaded may have changed
 */
export function useResource<T>(
  key: string | undefined,
  load: (signal: AbortSignal) => Promise<T>,
  tick = 0,
): Resource<T> {
  const [state, setState] = useState<Omit<Resource<T>, 'reload'> & { key?: string | undefined }>({
    data: undefined,
    failure: undefined,
    isLoading: key !== undefined,
    loadedAtMs: undefined,
  });
  const [nudge, setNudge] = useState(0);
  const failures = useRef(0);
  const session = sessionNumber.value;
  const fullKey = key === undefined ? undefined : `${session} ${key}`;
  useEffect(() => {
    if (fullKey === undefined) return;
    const abort = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    setState(before =>
      before.key === fullKey ? { ...before, isLoading: true } : { ...EMPTY, key: fullKey },
    );
    load(abort.signal).then(
      data => {
        failures.current = 0;
        if (!abort.signal.aborted)
          setState({ key: fullKey, data, failure: undefined, isLoading: false, loadedAtMs: serviceNow() });
      },
      (error: unknown) => {
        if (abort.signal.aborted) return;
        const failure =
          error instanceof RequestFailure
            ? error
            : new RequestFailure('refused', `This page failed: ${error}`);
        setState(before => ({ ...before, key: fullKey, failure, isLoading: false }));
        if (!MAY_PASS.has(failure.kind)) return;
        const pause = Math.min(RETRY_MS.longest, RETRY_MS.first * 2 ** failures.current++);
        timer = setTimeout(() => setNudge(n => n + 1), failure.retryAfterMs ?? pause);
      },
    );
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, [fullKey, tick, nudge]);

  const isCurrent = state.key === fullKey;
  return { ...(isCurrent ? state : EMPTY), reload: () => setNudge(n => n + 1) };
}

const EMPTY = { data: undefined, failure: undefined, isLoading: true, loadedAtMs: undefined } as const;
