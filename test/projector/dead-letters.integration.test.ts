import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { connectorStateCache, driftSample, type Projection, projections } from '../../projections/index.js';
import { stateStreamOf } from '../../src/events/streams.js';
import { cleaned, connector, hit, id, synced, T0 } from '../support/facts.js';
import { createHarness, type Harness, liveAndExpected } from './harness.js';

let harness: Harness;
beforeEach(async () => {
  harness = await createHarness();
});
afterEach(() => harness.close());

const withBug = (eventId: string): Projection[] =>
  projections.map(projection =>
    projection.name === connectorStateCache.name
      ? {
          ...projection,
          evolve(row, event) {
            if (event.id === eventId) throw new Error('a bug');
            return projection.evolve(row, event);
          },
        }
      : projection,
  );

describe('an event that a projection cannot take', () => {
  it('becomes a dead letter of that projection, and the rest goes on', async () => {
    await harness.append(
      synced({ syncId: id(1) }),
      synced({ id: id(10), syncId: id(2), measuredAt: T0 + 1 }),
      hit({ count: 3 }),
    );
    const projector = harness.projector({ projections: withBug(id(10)) });

    expect(await projector.catchUp()).toMatchObject({ caughtUp: true });

    expect(await projector.deadLetters()).toMatchObject([
      {
        projection: 'connector_state_cache',
        eventId: id(10),
        eventType: 'ConnectorSynced',
        stream: stateStreamOf(connector),
        error: 'a bug',
        attempts: 1,
      },
    ]);
    expect(projector.counters.deadLetters).toBe(1);
    expect(await harness.rows(connectorStateCache)).toMatchObject([{ syncId: id(1), hitCount: 3 }]);
    expect(await harness.rows(driftSample)).toHaveLength(2);
  });

  it('because it cannot have come about is a dead letter of all that handle it, live and rebuilt', async () => {
    await harness.append(synced({ syncId: id(1) }));
    const stream = stateStreamOf({ ...connector, userId: 'somebody else' });
    await harness.append(
      { ...synced({ syncId: id(2), measuredAt: T0 + 1 }), stream },
      synced({ syncId: id(3), measuredAt: Date.now() + 10 * 60_000 }),
      cleaned({ cutoff: Date.now() + 365 * 86_400_000 }),
      hit({ count: Number.MAX_SAFE_INTEGER }),
    );
    const projector = harness.projector();
    await projector.catchUp();

    const letters = await projector.deadLetters();
    expect(new Set(letters.map(({ error }) => error.split(':')[0]))).toEqual(
      new Set(['stream', 'measuredAt', 'cutoff', 'count']),
    );
    expect(await harness.rows(connectorStateCache)).toMatchObject([{ syncId: id(1), hitCount: 0 }]);
    expect(await harness.rows(driftSample)).toHaveLength(1);
    expect(await projector.verify()).toMatchObject({ equal: true });
    const { live, expected } = await liveAndExpected(harness);
    expect(live).toEqual(expected);
  });

  it('is replayed once the projection was repaired, at its own place in the order', async () => {
    await harness.append(
      synced({ syncId: id(1) }),
      synced({ id: id(10), syncId: id(2), measuredAt: T0 + 1 }),
      hit({ count: 3 }),
    );
    await harness.projector({ projections: withBug(id(10)) }).catchUp();
    const stillBroken = harness.projector({ projections: withBug(id(10)) });
    expect(await stillBroken.replayDeadLetters()).toEqual({ replayed: 1, remaining: 1 });
    expect(await stillBroken.deadLetters()).toMatchObject([{ eventId: id(10), attempts: 2 }]);

    const repaired = harness.projector();
    expect(await repaired.replayDeadLetters()).toEqual({ replayed: 1, remaining: 0 });

    expect(await repaired.deadLetters()).toEqual([]);
    const { live, expected } = await liveAndExpected(harness);
    expect(live).toEqual(expected);
    expect(await harness.rows(connectorStateCache)).toMatchObject([{ syncId: id(2), hitCount: 3 }]);
    expect(await repaired.replayDeadLetters()).toEqual({ replayed: 0, remaining: 0 });
  });

  it('of data outside the schema, or of an unknown type, stops nobody', async () => {
    await harness.append(synced());
    const stream = stateStreamOf(connector);
    await harness.appendRaw({
      id: id(1),
      stream,
      type: 'ConnectorSynced',
      data: { ...synced().data, offsetMs: 'soon' },
    });
    await harness.appendRaw({ id: id(2), stream, type: 'ConnectorTeleported', data: {} });
    await harness.append(hit());
    const projector = harness.projector();

    expect(await projector.catchUp()).toMatchObject({ events: 4, caughtUp: true });

    const letters = await projector.deadLetters();
    const takers = projections.filter(({ handles }) => handles.includes('ConnectorSynced'));
    expect(letters.map(({ projection, eventId }) => [projection, eventId])).toEqual(
      takers.map(({ name }) => [name, id(1)]).sort(),
    );
    expect(letters[0]?.error).toContain('offsetMs');
    expect(letters[0]?.error).not.toContain('soon');
    expect(projector.counters.unknownEvents).toBe(1);
    expect(await harness.rows(connectorStateCache)).toMatchObject([{ hitCount: 1 }]);
    expect(await projector.verify()).toMatchObject({ equal: true });
  });

  it('whose figure no column can hold is the only one set aside', async () => {
    await harness.append(
      synced({ userId: 'a' }),
      synced({ id: id(1), userId: 'b', samples: 3_000_000_000 }),
      synced({ userId: 'c' }),
    );
    const projector = harness.projector();

    await projector.catchUp();

    expect(await projector.deadLetters()).toMatchObject([
      { projection: 'connector_state_cache', eventId: id(1), error: expect.stringContaining('sample_count') },
      { projection: 'drift_sample', eventId: id(1) },
    ]);
    expect((await harness.rows(connectorStateCache)).map(row => row.userId)).toEqual(['a', 'c']);
  });

  it('that the database refuses is found in the page, and the only one set aside', async () => {
    await harness.pool.query('ALTER TABLE drift_sample ADD CONSTRAINT not_666 CHECK (offset_ms <> 666)');
    const events = Array.from({ length: 40 }, (_, i) =>
      synced({ id: id(i), userId: `user${i}`, offsetMs: i === 23 || i === 24 ? 666 : i }),
    );
    await harness.append(...events);
    const projector = harness.projector();

    expect(await projector.catchUp()).toMatchObject({ events: 40, caughtUp: true });

    expect(await projector.deadLetters()).toMatchObject([
      { projection: 'drift_sample', eventId: id(23), error: expect.stringContaining('not_666') },
      { projection: 'drift_sample', eventId: id(24) },
    ]);
    expect(await harness.rows(driftSample)).toHaveLength(38);
    expect(await harness.rows(connectorStateCache)).toHaveLength(40);
  });

  it('found by the database in a rebuild is set aside there too', async () => {
    await harness.append(
      synced({ id: id(1), userId: 'a' }),
      synced({ id: id(1), userId: 'b' }),
      hit({ userId: 'a' }),
    );
    const projector = harness.projector();

    await projector.catchUp();
    const letters = await projector.deadLetters();
    expect(letters).toMatchObject([{ projection: 'connector_state_cache', eventId: id(1) }]);

    expect(await projector.rebuild()).toMatchObject({
      deadLetters: 1,
      differing: { connector_state_cache: 0 },
    });
  });
});
