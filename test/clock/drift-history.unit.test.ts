import { describe, expect, it } from '@jest/globals';
import { addToCell, cellOf } from '../../src/clock/drift-cell.js';
import { driftLines } from '../../src/clock/drift-history.js';
import type { PlacedCell } from '../../src/clock/drift-steps.js';
import { machineOf } from '../../src/clock/machine.js';
import { type DriftWorld, type Measured, measure, truth } from '../support/drift-world.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const FROM = 1_760_000_400_000;

const A = { host: 'host:a/1-x', everyMs: 10 * MINUTE_MS, thereMs: 5, backMs: 8 };
const B = { host: 'host:b/1-x', everyMs: 15 * MINUTE_MS, thereMs: 30, backMs: 10 };
const RARE = { host: 'host:c/1-x', everyMs: 50 * MINUTE_MS, thereMs: 3, backMs: 3 };
const world = (given: Partial<DriftWorld> = {}): DriftWorld => ({
  fromMs: FROM,
  toMs: FROM + 7 * DAY_MS,
  offsetMs: 145,
  ratePpm: 0,
  steps: [],
  machines: [A, B, RARE],
  seed: 1,
  ...given,
});

function cellsOf(measured: readonly Measured[], referenceClock = 'pg:1:1', cellMs = HOUR_MS): PlacedCell[] {
  const cells = new Map<string, PlacedCell>();
  for (const m of measured) {
    const startMs = Math.floor(m.atMs / cellMs) * cellMs;
    const machine = machineOf(m.host);
    const name = `${startMs} ${machine}`;
    const before = cells.get(name)?.cell;
    const cell = before ? addToCell(before, m) : cellOf(m);
    cells.set(name, {
      startMs,
      exchange: 'BYBIT',
      environment: 'MAINNET',
      scope: 'default',
      referenceClock,
      machine,
      cell,
    });
  }
  return [...cells.values()].sort((a, b) => a.startMs - b.startMs);
}

const theLine = (of: DriftWorld) => {
  const [line, ...more] = driftLines(cellsOf(measure(of)), 'exchange');
  if (!line || more.length > 0) throw new Error('one line was expected');
  return line;
};

describe('the rate', () => {
  it.each([1, 2, 3])('holds the true one within its error, which is small (seed %i)', seed => {
    for (const ratePpm of [0, 0.2, -12, 37]) {
      const { drift } = theLine(world({ ratePpm, seed }));

      expect(drift.isMeasured).toBe(true);
      expect(Math.abs(drift.ratePpm - ratePpm)).toBeLessThanOrEqual(drift.errorPpm);
      expect(drift.errorPpm).toBeLessThan(0.2);
    }
  });

  it('is not bent by steps, not even for the machine that measures too rarely to see them', () => {
    const steps = [
      { atMs: FROM + 2.3 * DAY_MS, byMs: -120 },
      { atMs: FROM + 5.5 * DAY_MS, byMs: 60 },
    ];
    const lines = driftLines(cellsOf(measure(world({ ratePpm: 0.1, steps }))), 'host');

    expect(lines.map(line => line.host)).toEqual(['a', 'b', 'c']);
    for (const { drift } of lines) {
      expect(Math.abs(drift.ratePpm - 0.1)).toBeLessThanOrEqual(drift.errorPpm);
      expect(drift.errorPpm).toBeLessThan(0.5);
    }
  });

  it('is not told from too little', () => {
    const line = theLine(world({ toMs: FROM + 20 * MINUTE_MS, machines: [A] }));

    expect(line.drift).toMatchObject({ isMeasured: false, rate: { ratePpm: 0, boundPpm: 50 } });
  });
});

describe('steps', () => {
  const [first, second] = [FROM + 2.3 * DAY_MS, FROM + 5.5 * DAY_MS];
  const stepped = world({
    steps: [
      { atMs: first, byMs: -2_000 },
      { atMs: second, byMs: 60 },
    ],
  });

  it('are found where they were, each once, however many machines saw them', () => {
    const { steps } = theLine(stepped);

    expect(steps).toHaveLength(2);
    for (const [i, { atMs, byMs }] of stepped.steps.entries()) {
      const step = steps[i];
      expect(step?.afterMs).toBeLessThan(atMs);
      expect(step?.atMs).toBeGreaterThanOrEqual(atMs);
      expect(Math.abs((step?.byMs ?? 0) - byMs)).toBeLessThan(30);
    }
    expect(steps[0]?.hosts).toBe(3);
  });

  it('are counted at the points where they ended', () => {
    const { points, steps } = theLine(stepped);

    const marked = points.filter(point => point.steps > 0);
    expect(marked).toHaveLength(2);
    for (const [i, { startMs }] of marked.entries()) {
      expect(steps[i]?.atMs).toBeGreaterThanOrEqual(startMs);
      expect(steps[i]?.atMs).toBeLessThan(startMs + HOUR_MS);
    }
  });

  it('are none while clocks drift within the assumed bound', () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      for (const ratePpm of [-45, 0, 45]) {
        expect(theLine(world({ ratePpm, seed, toMs: FROM + 3 * DAY_MS })).steps).toEqual([]);
      }
    }
  });

  it('of one machine are told as its own', () => {
    const broken = measure(world()).map(m =>
      m.host === A.host && m.atMs > FROM + DAY_MS ? { ...m, offsetMs: m.offsetMs + 5_000 } : m,
    );

    const [line] = driftLines(cellsOf(broken), 'exchange');

    expect(line?.steps).toMatchObject([{ hosts: 1 }]);
    expect(line?.hosts).toBe(3);
  });
});

describe('lines', () => {
  it('hold what is known at their end and at each point', () => {
    const of = world({ ratePpm: 0.5 });
    const line = theLine(of);

    expect(line.samples).toBe(measure(of).length);
    for (const { atMs, offsetMs, uncertaintyMs } of [...line.points, line.points.at(-1) ?? fail()]) {
      expect(Math.abs(offsetMs - truth(of, atMs))).toBeLessThanOrEqual(uncertaintyMs);
    }
    expect(line.offsetMs).toBe(line.points.at(-1)?.offsetMs);
    expect(line.roundTripMinMs).toBeGreaterThanOrEqual(6);
    expect(line.roundTripMedianMs).toBeGreaterThan(10);
    expect(line.roundTripMedianMs).toBeLessThan(50);
  });

  it('leave out processes’ own clocks by exchange, and show them by host', () => {
    const cells = [
      ...cellsOf(measure(world({ machines: [A] }))),
      ...cellsOf(measure(world({ machines: [A], offsetMs: 3 })), 'host:a/1-x'),
      ...cellsOf(measure(world({ machines: [A], offsetMs: -9_000 })), 'host:a/2-y'),
    ].sort((a, b) => a.startMs - b.startMs);

    expect(driftLines(cells, 'exchange')).toMatchObject([{ referenceClock: 'pg:1:1', host: undefined }]);
    const byHost = driftLines(cells, 'host');
    expect(byHost.map(line => line.referenceClock).sort()).toEqual(['pg:1:1', undefined]);
    // Two clocks that have nothing to do with each other are no step.
    expect(byHost.flatMap(line => line.steps)).toEqual([]);
  });

  it('are none without cells', () => {
    expect(driftLines([], 'exchange')).toEqual([]);
  });
});

function fail(): never {
  throw new Error('no point');
}
