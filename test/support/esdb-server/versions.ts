/**
 * What differs between the servers this one speaks as: all of it, by the recordings in `test/fixtures/`. 23.10 ends the
 * call of a reader that falls out of its buffer, 24.2 lets it catch up; a filtered subscription to a log without any
 * match is told "nothing looked at yet" by 24.2 alone, which alone names a position that is no record's; and from beyond the end 24.2 skips what is appended up to there.
 */
export type ServerVersion = '24.2.0' | '23.10.8';

export interface VersionTraits {
  readonly fallenReader: 'catches-up' | 'is-aborted';
  readonly saysNothingLookedAt: boolean;
  readonly skipsUpToStart: boolean;
  /** That a position to follow from is no record's, and not an exception of its own. */
  readonly namesInvalidPosition: boolean;
}

export const TRAITS: Readonly<Record<ServerVersion, VersionTraits>> = {
  '24.2.0': {
    fallenReader: 'catches-up',
    saysNothingLookedAt: true,
    skipsUpToStart: true,
    namesInvalidPosition: true,
  },
  '23.10.8': {
    fallenReader: 'is-aborted',
    saysNothingLookedAt: false,
    skipsUpToStart: false,
    namesInvalidPosition: false,
  },
};
