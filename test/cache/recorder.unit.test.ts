/** The recorder, in front of a store that does what the test says. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ConnectorStateError } from '../../src/base/errors.js';
import type { RecordedFact } from '../../src/cache/pending-facts.js';
import { Recorder, type RecorderOptions } from '../../src/cache/recorder.js';
import { InvalidEventError } from '../../src/events/decode.js';
import type { Fact, NewEvent, Position } from '../../src/events/event.js';
import { newEventId } from '../../src/events/ids.js';
import { type KeptLog, keptLog } from '../support/log.js';

const REF = { userId: 'u', credentialId: 'c', exchange: 'BYBIT', environment: 'MAINNET' } as const;
const position = (n: number) => `pg/${n}` as Position;

function failure(userId = 'u'): Fact {
  return {
    type: 'ConnectorAuthFailed',
    data: { ...REF, userId, exchangeCode: '10003', failureClass: 'credentials' },
  };
}

type Append = (events: readonly NewEvent[]) => void | Promise<void>;

/** Keeps what it was given, under ids, as the store does. */
function givenRecorder(options: Partial<RecorderOptions> = {}, onAppend: Append = () => undefined) {
  const log: KeptLog = keptLog();
  const stored = new Map<string, NewEvent>();
  const batches: (readonly NewEvent[])[] = [];
  let wallMs = 1_760_000_000_000;
  const recorder = new Recorder({
    store: async () => ({
      async append(events) {
        batches.push(events);
        await onAppend(events);
        for (const event of events) if (!stored.has(event.id)) stored.set(event.id, event);
        return { events: [], position: position(stored.size) };
      },
    }),
    newId: async () => newEventId,
    maxPending: 100,
    flushIntervalMs: 600_000,
    host: 'host:test/1',
    wall: () => wallMs++,
    log,
    ...options,
  });
  return { recorder, log, batches, stored: () => [...stored.values()] };
}

const users = (events: readonly NewEvent[]) => events.map(event => (event.data as { userId: string }).userId);

describe('recording', () => {
  it('stores facts in order, and says how far it got', async () => {
    const { recorder, stored } = givenRecorder();
    for (const user of ['a', 'b', 'c']) recorder.record(failure(user));

    expect(await recorder.flush()).toEqual({ ok: true, pending: 0, lost: 0, position: position(3) });

    expect(users(stored())).toEqual(['a', 'b', 'c']);
    expect(stored()[0]).toMatchObject({
      host: 'host:test/1',
      stream: 'connector_state-a_c',
      occurredAt: 1_760_000_000_000,
    });
    expect(recorder.stats()).toMatchObject({ pending: 0, recorded: 3, appended: 3 });
  });

  it('has nothing to do when nothing was recorded', async () => {
    const { recorder, batches } = givenRecorder();
    expect(await recorder.flush()).toEqual({ ok: true, pending: 0, lost: 0, position: undefined });
    expect(batches).toEqual([]);
  });

  it('counts hits of one connector and tier into one event', async () => {
    const { recorder, stored } = givenRecorder();
    for (let i = 0; i < 5; i++) recorder.recordHit(REF, 'memory');
    recorder.recordHit(REF, 'postgres');
    recorder.recordHit({ ...REF, environment: 'TESTNET' }, 'memory');
    await recorder.flush();

    expect(stored()).toMatchObject([
      {
        stream: 'connector_state_hits-u_c',
        data: {
          tier: 'memory',
          count: 5,
          environment: 'MAINNET',
          firstAt: 1_760_000_000_000,
          lastAt: 1_760_000_000_004,
        },
      },
      { data: { tier: 'postgres', count: 1 } },
      { data: { tier: 'memory', count: 1, environment: 'TESTNET' } },
    ]);
  });

  it('ties an effect to its cause, across batches', async () => {
    const { recorder, stored } = givenRecorder();
    const cause = recorder.record(failure('cause'), { correlationId: newEventId() });
    await recorder.flush();
    recorder.record(failure('effect'), { causedBy: cause });
    await recorder.flush();

    expect(stored()[1]?.causationId).toBe(stored()[0]?.id);
    expect(stored()[0]).not.toHaveProperty('causationId');
  });

  it('never blocks and never throws, whatever the store does', async () => {
    const { recorder } = givenRecorder({ store: () => Promise.reject(new Error('no store')) });
    expect(() => recorder.record(failure())).not.toThrow();
    expect(await recorder.flush()).toMatchObject({ ok: false, pending: 1 });
  });
});

describe('when the store fails', () => {
  it('keeps everything, in order and under the same ids, for the next flush', async () => {
    let isDown = true;
    const { recorder, batches, stored, log } = givenRecorder({}, () => {
      if (isDown) throw new Error('down');
    });
    recorder.record(failure('a'));
    expect(await recorder.flush()).toMatchObject({ ok: false, pending: 1 });
    recorder.record(failure('b'));
    isDown = false;

    expect(await recorder.flush()).toMatchObject({ ok: true, pending: 0 });

    expect(users(stored())).toEqual(['a', 'b']);
    expect(batches[1]?.[0]?.id).toBe(batches[0]?.[0]?.id);
    expect(log.messages('warn')).toEqual([expect.stringContaining('stay pending')]);
    expect(recorder.stats()).toMatchObject({ appended: 2, flushFailures: 1 });
  });

  it('drops what can never be stored, names it, and stores the rest', async () => {
    const { recorder, stored, log } = givenRecorder({}, events => {
      if (users(events).includes('x'.repeat(200))) throw new InvalidEventError('userId: too long');
    });
    recorder.record(failure('a'));
    recorder.record(failure('x'.repeat(200)));
    recorder.record(failure('b'));

    expect(await recorder.flush()).toMatchObject({ ok: false, pending: 0, lost: 1 });
    expect(await recorder.flush()).toMatchObject({ ok: true, lost: 0 });

    expect(users(stored())).toEqual(['a', 'b']);
    expect(recorder.stats()).toMatchObject({ rejected: 1, appended: 2 });
    expect(log.messages('error')).toEqual(['a fact that no event store would take was dropped']);
    expect(log.text()).toContain('userId');
  });

  it('loses nothing but what the store refuses, keeps the order, and tells every caller how many', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.boolean(), { minLength: 1, maxLength: 60 }), async areGood => {
        const { recorder, stored } = givenRecorder({}, events => {
          if (users(events).some(user => user.startsWith('bad')))
            throw new InvalidEventError('for a reason of its own');
        });
        areGood.forEach((isGood, i) => {
          recorder.record(failure(`${isGood ? 'good' : 'bad'}-${i}`));
        });
        const lost = areGood.filter(isGood => !isGood).length;

        const told = await Promise.all([recorder.flush(), recorder.flush()]);

        for (const result of told) expect(result).toMatchObject({ ok: lost === 0, pending: 0, lost });
        expect(users(stored())).toEqual(areGood.flatMap((isGood, i) => (isGood ? [`good-${i}`] : [])));
        expect(recorder.stats()).toMatchObject({ rejected: lost, appended: areGood.length - lost });
      }),
    );
  });

  it('tells the next caller of what a flush in the background lost, and of what had no room', async () => {
    const { recorder } = givenRecorder({ maxPending: 2 });
    for (const user of ['a', 'b', 'c']) recorder.record(failure(user));

    expect(await recorder.flush()).toMatchObject({ ok: false, pending: 0, lost: 1 });
    expect(await recorder.flush()).toMatchObject({ ok: true, lost: 0 });
  });

  it('goes on with the rest of a halved batch when the store is back', async () => {
    let calls = 0;
    const { recorder, stored } = givenRecorder({}, events => {
      if (++calls === 3) throw new Error('down');
      if (users(events).includes('bad')) throw new InvalidEventError('for a reason of its own');
    });
    for (const user of ['a', 'b', 'bad', 'c']) recorder.record(failure(user));

    expect(await recorder.flush()).toMatchObject({ ok: false, pending: 2, lost: 0 });
    expect(await recorder.flush()).toMatchObject({ ok: false, pending: 0, lost: 1 });
    expect(users(stored())).toEqual(['a', 'b', 'c']);
  });

  it('keeps the facts stored when they cannot be projected', async () => {
    const { recorder, log } = givenRecorder({ project: () => Promise.reject(new Error('busy')) });
    recorder.record(failure());
    expect(await recorder.flush()).toMatchObject({ ok: false, pending: 0, lost: 0, unprojected: 'busy' });
    expect(log.messages('warn')).toEqual([expect.stringContaining('could not be projected')]);
  });

  it('owes what it could not project until a flush has, also one that stores nothing', async () => {
    const asked: Position[] = [];
    const answers = [false, false, true];
    const { recorder, log } = givenRecorder({
      async project(until) {
        asked.push(until);
        if (!answers.shift()) throw new Error('busy');
      },
    });
    recorder.record(failure('a'));
    expect(await recorder.flush()).toMatchObject({ ok: false, position: position(1) });
    recorder.record(failure('b'));
    expect(await recorder.flush()).toMatchObject({ ok: false, position: position(2) });

    expect(await recorder.flush()).toEqual({ ok: true, pending: 0, lost: 0, position: undefined });
    expect(await recorder.flush()).toMatchObject({ ok: true });

    expect(asked).toEqual([position(1), position(2), position(2)]);
    // Once, while the reason stays the same.
    expect(log.messages('warn')).toHaveLength(1);
  });

  it('is an error where it will not pass by itself: another log, another release', async () => {
    const stopped = new ConnectorStateError('PROJECTION_FAILED', 'the event log is not the one …');
    const { recorder, log } = givenRecorder({ project: () => Promise.reject(stopped) });
    recorder.record(failure());
    expect(await recorder.flush()).toMatchObject({
      ok: false,
      pending: 0,
      unprojected: expect.stringContaining('not the one'),
    });
    expect(log.messages('error')).toEqual(['facts are stored, and are not projected']);
  });
});

describe('promise 8: memory is bounded', () => {
  it('drops hits first, then the oldest facts, and counts both', async () => {
    const { recorder, stored, log } = givenRecorder({ maxPending: 4 }, () => undefined);
    for (let i = 0; i < 7; i++) recorder.recordHit({ ...REF, userId: 'hit1' }, 'memory');
    recorder.recordHit({ ...REF, userId: 'hit2' }, 'memory');
    for (const user of ['a', 'b', 'c']) recorder.record(failure(user));
    expect(recorder.stats()).toMatchObject({ pending: 4, droppedHits: 7, droppedFacts: 0 });
    for (const user of ['d', 'e', 'f']) recorder.record(failure(user));

    expect(recorder.stats()).toMatchObject({ pending: 4, droppedHits: 8, droppedFacts: 2 });
    await recorder.flush();
    expect(users(stored())).toEqual(['c', 'd', 'e', 'f']);
    expect(log.messages('error')).toEqual([expect.stringContaining('raise MAX_PENDING_EVENTS')]);
  });

  it('still drops hits first after a flush of many of them failed', async () => {
    let isDown = true;
    const { recorder, stored } = givenRecorder({ maxPending: 2_000 }, () => {
      if (isDown) throw new Error('down');
    });
    for (let i = 0; i < 1_500; i++) recorder.recordHit({ ...REF, userId: `hit${i}` }, 'memory');
    recorder.record(failure('precious'));
    await recorder.flush();
    for (let i = 0; i < 1_200; i++) recorder.record(failure(`later${i}`));
    isDown = false;
    await recorder.flush();

    expect(recorder.stats()).toMatchObject({ droppedFacts: 0, pending: 0 });
    expect(users(stored())).toContain('precious');
    expect(users(stored()).filter(user => user.startsWith('later'))).toHaveLength(1_200);
  });

  it('never drops a batch that is on its way', async () => {
    const gate = latch();
    const { recorder, stored } = givenRecorder({ maxPending: 2 }, () => gate.opened);
    for (const user of ['a', 'b']) recorder.record(failure(user));
    const flushed = recorder.flush();
    await new Promise(resolve => setImmediate(resolve));
    for (const user of ['c', 'd', 'e']) recorder.record(failure(user));
    expect(recorder.stats()).toMatchObject({ droppedFacts: 3 });
    gate.open();
    await flushed;
    expect(users(stored())).toEqual(['a', 'b']);
  });

  it('sends large backlogs in several batches', async () => {
    const { recorder, batches } = givenRecorder({ maxPending: 10_000 }, () => undefined);
    for (let i = 0; i < 1_234; i++) recorder.record(failure(`u${i}`));
    await recorder.flush();
    expect(batches.flatMap(users)).toEqual(Array.from({ length: 1_234 }, (_, i) => `u${i}`));
    expect(Math.max(...batches.map(batch => batch.length))).toBe(500);
  });
});

describe('flushing', () => {
  it('starts by itself when a batch is full', async () => {
    const appended = latch();
    const { recorder } = givenRecorder({ maxPending: 10_000 }, appended.open);
    for (let i = 0; i < 500; i++) recorder.record(failure(`u${i}`));
    await appended.opened;
  });

  it('starts by itself some time after the first fact', async () => {
    const appended = latch();
    const { recorder } = givenRecorder({ flushIntervalMs: 1 }, appended.open);
    recorder.record(failure());
    await keepAlive(appended.opened);
  });

  it('goes on trying by itself', async () => {
    let attempts = 0;
    const stored = latch();
    const { recorder } = givenRecorder({ flushIntervalMs: 1 }, () => {
      if (++attempts < 4) throw new Error('down');
      stored.open();
    });
    recorder.record(failure());
    await keepAlive(stored.opened);
    expect(attempts).toBe(4);
  });

  it('covers what was recorded while another flush was under way', async () => {
    const releases: (() => void)[] = [];
    const { recorder, stored } = givenRecorder(
      {},
      () => new Promise<void>(resolve => releases.push(resolve)),
    );
    recorder.record(failure('a'));
    const first = recorder.flush();
    await new Promise(resolve => setImmediate(resolve));
    recorder.record(failure('b'));
    const second = recorder.flush();
    const releaseAll = setInterval(() => releases.shift()?.(), 1);
    await Promise.all([first, second]);
    clearInterval(releaseAll);
    expect(users(stored())).toEqual(['a', 'b']);
  });

  it('ends although others go on recording, facts and hits, and leaves theirs to the next', async () => {
    let isBusy = true;
    const { recorder, stored } = givenRecorder({ maxPending: 100_000 }, async () => {
      // More than a batch of each in every round trip.
      for (let i = 0; isBusy && i < 600; i++) {
        recorder.record(failure('later'));
        recorder.recordHit({ ...REF, userId: `later${recorder.stats().recorded}` }, 'memory');
      }
      await new Promise(resolve => setImmediate(resolve));
    });
    for (let i = 0; i < 400; i++) recorder.record(failure('before'));
    for (let i = 0; i < 700; i++)
      recorder.recordHit({ ...REF, credentialId: `c${i}`, userId: 'before' }, 'postgres');

    const { ok, pending } = await recorder.flush();
    isBusy = false;

    expect(ok).toBe(true);
    expect(pending).toBeGreaterThan(0);
    expect(users(stored().slice(0, 1_100))).toEqual(Array(1_100).fill('before'));
    expect(await recorder.flush()).toMatchObject({ ok: true, pending: 0 });
  });

  it('stores what has waited longest first, of whatever tier', async () => {
    const { recorder, stored } = givenRecorder();
    recorder.recordHit({ ...REF, userId: 'a' }, 'memory');
    recorder.recordHit({ ...REF, userId: 'b' }, 'postgres');
    recorder.recordHit({ ...REF, userId: 'c' }, 'memory');
    await recorder.flush();
    expect(users(stored())).toEqual(['a', 'b', 'c']);
  });

  it('goes on by itself with a batch that filled while it was under way', async () => {
    const all = latch();
    let isFirst = true;
    const { recorder, stored } = givenRecorder({ maxPending: 10_000 }, () => {
      if (isFirst) for (let i = 0; i < 500; i++) recorder.record(failure('later'));
      else all.open();
      isFirst = false;
    });
    recorder.record(failure('before'));
    await recorder.flush();
    await all.opened;
    await recorder.flush();
    expect(stored()).toHaveLength(501);
  });

  it('says on closing what was recorded too late to be stored', async () => {
    const { recorder, log } = givenRecorder({}, () => void recorder.record(failure('late')));
    recorder.record(failure('in time'));
    await recorder.close(1_000);
    expect(log.messages('error')).toEqual(['closing with 1 facts that could not be stored']);
  });

  it('waits no longer than it is told', async () => {
    const { recorder } = givenRecorder({}, () => new Promise(() => undefined));
    recorder.record(failure());
    expect(await recorder.flush(5)).toEqual({ ok: false, pending: 1, lost: 0, position: undefined });
  });

  it('ends, bounded, with what could not be stored said aloud', async () => {
    const { recorder, log } = givenRecorder({}, () => new Promise(() => undefined));
    recorder.record(failure());
    await recorder.close(5);
    expect(log.messages('error')).toEqual(['closing with 1 facts that could not be stored']);
  });

  it('begins nothing anew behind its end, for its store is closed by then', async () => {
    const held = latch();
    const { recorder, batches } = givenRecorder({}, async () => {
      await held.opened;
      throw new Error('the store was closed');
    });
    recorder.record(failure());
    const first = recorder.flush();
    const second = recorder.flush();
    await recorder.close(5);

    held.open();

    expect(await first).toMatchObject({ ok: false, pending: 1 });
    expect(await second).toMatchObject({ ok: false, pending: 1 });
    expect(batches).toHaveLength(1);
  });

  it('stores the rest on closing', async () => {
    const { recorder, stored } = givenRecorder();
    const recorded: RecordedFact = recorder.record(failure('last'));
    recorder.recordHit(REF, 'memory');
    await recorder.close(1_000);
    expect(stored().map(event => event.type)).toEqual(['ConnectorAuthFailed', 'ConnectorStateHit']);
    expect(recorded.id).toBe(stored()[0]?.id);
  });
});

function latch() {
  let open!: () => void;
  const opened = new Promise<void>(resolve => {
    open = resolve;
  });
  return { open: () => open(), opened };
}

/** The recorder's own timer never keeps a process alive, so something else must. */
async function keepAlive(until: Promise<void>): Promise<void> {
  const timer = setInterval(() => undefined, 1_000);
  await until.finally(() => clearInterval(timer));
}
