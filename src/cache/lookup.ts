/**
 * What a lookup answers: a state ready to apply here and now, or a miss that says why and, where there is
 * one, the clock shared by all connectors of the exchange to fall back on.
 */
import type { OffsetEstimate } from '../clock/offset.js';
import { type ReferenceLink, toLocal } from '../clock/reference.js';
import type { MissReason, OffsetState } from './offset-state.js';

/** A state together with the link from its reference clock to this process's. */
export interface UsableState extends OffsetState {
  readonly link: ReferenceLink;
}

export interface LookupOptions {
  /**
   * A token that a flush returned (or the feed, or a position, by which a log that was restored to an earlier state and
   * has grown since is not told apart): the answer should show what was recorded up to there. It is waited
   * for within the lookup's deadline; what has not arrived by then is answered without it, {@link Answered.behind}.
   */
  readonly atLeast?: string | undefined;
}

interface Answered {
  /**
   * The read model had not come as far as `atLeast` when the deadline ended, or the log does not have that event (any
   * more): this is the answer without it. A hit is a
   * state that was good then and may have been condemned since; a miss may be a state that is on its way.
   */
  readonly behind?: true;
}

export interface Hit extends Answered {
  readonly hit: true;
  readonly tier: 'memory' | 'redis' | 'postgres';
  readonly state: UsableState;
}

export interface Miss extends Answered {
  readonly hit: false;
  readonly reason: MissReason;
  /** The exchange's shared clock as a state; good for one round trip, but not this connector's own. */
  readonly exchangeClock: UsableState | undefined;
  /**
   * The best that is known past its end: true within its uncertainty, which has grown. Whether that is still good
   * enough depends on the request's window; see init-decision.ts.
   */
  readonly ended: UsableState | undefined;
  /** With reason `contested`: what both sides of the contest allow, where both told a time. */
  readonly between: UsableState | undefined;
  /** Against which clock a new measurement should be kept; `undefined`: the database could not be asked. */
  readonly link: ReferenceLink | undefined;
}

export type Lookup = Hit | Miss;

/** To the clock that answered; `undefined`: nobody did. */
export const linkOf = (lookup: Lookup): ReferenceLink | undefined =>
  lookup.hit ? lookup.state.link : lookup.link;

/**
 * Exchange minus local clock at `localTimeMs`, with its uncertainty inflated for age; milliseconds.
 * @example
 * const lookup = await cache.get(connector.ref);
 * if (lookup.hit) {
 *   const { offsetMs, uncertaintyMs } = appliedOffset(lookup.state, Date.now());
 * }
 */
export const appliedOffset = (state: UsableState, localTimeMs: number): OffsetEstimate =>
  toLocal(state.estimate, state.link, localTimeMs);
