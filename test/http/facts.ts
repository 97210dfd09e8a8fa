/** Facts as callers send them. */

interface Ref {
  readonly userId: string;
  readonly credentialId: string;
  readonly exchange: string;
  readonly environment: string;
}

export const syncedEvent = (ref: Ref, id: string, more: object = {}) => ({
  id,
  type: 'ConnectorSynced',
  data: {
    ...ref,
    syncId: id,
    basis: 'measured',
    trigger: 'absent',
    offsetMs: 120,
    uncertaintyMs: 8,
    roundTripMs: 16,
    samples: 1,
    referenceClock: 'pg:7:1',
    measuredAt: Date.now() - 1_000,
    ttlMs: 900_000,
    ttlPolicy: 'given',
    ttlInputs: {},
    ...more,
  },
});
