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

export interface Hit {
  readonly hit: true;
  readonly tier: 'memory' | 'postgres';
  readonly state: UsableState;
}

export interface Miss {
  readonly hit: false;
  readonly reason: MissReason;
  /** The exchange's shared clock as a state; good for one round trip, but not this connector's own. */
  readonly exchangeClock: UsableState | undefined;
  /** Against which clock a new measurement should be kept; `undefined`: the database could not be asked. */
  readonly link: ReferenceLink | undefined;
}

export type Lookup = Hit | Miss;

/** Exchange minus local clock at `localTimeMs`, with its uncertainty inflated for age. */
export const appliedOffset = (state: UsableState, localTimeMs: number): OffsetEstimate =>
  toLocal(state.estimate, state.link, localTimeMs);
