/** The position of the projection that is furthest behind. */
import type { EventStore } from '../event-store/event-store.js';
import type { Positions } from './checkpoints.js';

export const lowest = (compare: EventStore['compare'], positions: Positions) =>
  [...positions.values()].reduce((a, b) => (compare(a, b) <= 0 ? a : b));
