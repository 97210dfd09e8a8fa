/** The rows that are in sight, of any number: TanStack Virtual as a hook. */
import {
  elementScroll,
  observeElementOffset,
  observeElementRect,
  type VirtualItem,
  Virtualizer,
} from '@tanstack/virtual-core';
import type { RefObject } from 'preact';
import { useLayoutEffect, useReducer, useRef, useState } from 'preact/hooks';

export interface Rows {
  readonly frame: RefObject<HTMLDivElement>;
  readonly items: readonly VirtualItem[];
  /** Of all rows, px. */
  readonly height: number;
}

/** As `.rows-body [role=row]` has it. */
const ROW_REM = 2.6;
/** Narrow screens show a row as a card. */
const CARD_REM = 7.2;
const NARROW = '(max-width: 46rem)';

export function useRows(length: number): Rows {
  const frame = useRef<HTMLDivElement>(null);
  const [, draw] = useReducer((n: number, _: undefined) => n + 1, 0);
  const rem = Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
  const [isNarrow, setNarrow] = useState(() => matchMedia(NARROW).matches);
  const size = Math.round((isNarrow ? CARD_REM : ROW_REM) * rem);
  const options = {
    count: length,
    getScrollElement: () => frame.current,
    estimateSize: () => size,
    overscan: 8,
    scrollToFn: elementScroll,
    observeElementRect,
    observeElementOffset,
    onChange: () => draw(undefined),
  };
  const [virtualizer] = useState(() => new Virtualizer<HTMLDivElement, Element>(options));
  virtualizer.setOptions(options);
  useLayoutEffect(() => virtualizer._didMount(), [virtualizer]);
  useLayoutEffect(() => virtualizer._willUpdate());
  useLayoutEffect(() => {
    const query = matchMedia(NARROW);
    const change = () => setNarrow(query.matches);
    query.addEventListener('change', change);
    return () => query.removeEventListener('change', change);
  }, []);
  useLayoutEffect(() => virtualizer.measure(), [size]);
  return { frame, items: virtualizer.getVirtualItems(), height: virtualizer.getTotalSize() };
}
