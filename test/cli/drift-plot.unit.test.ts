import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { MIN_WIDTH, type Plot, renderPlot, ticksOf } from '../../src/cli/drift/plot.js';
import { speaksUtf8, widthOf } from '../../src/cli/drift/terminal.js';

const FROM = Date.UTC(2026, 10, 15);
const HOUR_MS = 3_600_000;

const plot = (given: Partial<Plot> = {}): Plot => ({
  fromMs: FROM,
  toMs: FROM + 48 * HOUR_MS,
  points: [],
  steps: [],
  gapMs: 6 * HOUR_MS,
  unit: 'ms',
  ...given,
});
const hourly = (valueAt: (hour: number) => number, margin = 5) =>
  Array.from({ length: 48 }, (_, hour) => ({ atMs: FROM + hour * HOUR_MS, value: valueAt(hour), margin }));
const ascii = { width: 60, height: 8, unicode: false };

describe('the plot', () => {
  it('draws the line, its band, the scale and the times', () => {
    const picture = renderPlot(plot({ points: hourly(hour => 100 + hour) }), ascii).join('\n');

    expect(picture.split('\n')).toEqual([
      ' ms',
      '150 |                                                  :***',
      '    |                                          :*********:',
      '    |                                  :*********:',
      '    |                          :*********:',
      '    |                 ::*********',
      '    |         ::*********',
      '    | ::*********',
      '100 |****',
      '    ++--------------------------+--------------------------+',
      '     11-15 00:00           11-16 00:00           11-17 00:00',
    ]);
  });

  it('breaks the line at a step, and says where it was and which way the clock went', () => {
    const points = hourly(hour => (hour < 24 ? 100 : hour < 36 ? -100 : 0));
    const steps = [
      { atMs: FROM + 24 * HOUR_MS, by: -200 },
      { atMs: FROM + 36 * HOUR_MS, by: 100 },
    ];

    const lines = renderPlot(plot({ points, steps }), ascii);

    const marks = lines.find(line => /^ +v +\^$/.test(line)) ?? '';
    const [down, up] = [marks.indexOf('v'), marks.indexOf('^')];
    expect(up - down).toBeCloseTo((down - 5) / 2, -1);
    const picture = lines.slice(1, 9);
    // Nothing steep connects the levels: beside the line the column of a step holds nothing but its mark.
    expect(picture.filter(line => line[down] === '|').length).toBeGreaterThanOrEqual(7);
    expect(picture.filter(line => line[up] === '|').length).toBeGreaterThanOrEqual(7);
  });

  it('leaves a gap where nothing was measured', () => {
    const points = hourly(() => 100, 0).filter(
      ({ atMs }) => atMs < FROM + 10 * HOUR_MS || atMs > FROM + 40 * HOUR_MS,
    );

    const line = renderPlot(plot({ points }), ascii).find(text => text.includes('*')) ?? '';

    expect(line).toMatch(/\*{8,} {20,}\*{5,}/);
  });

  it('is drawn in braille over shade where the terminal can show it', () => {
    const picture = renderPlot(plot({ points: hourly(hour => 100 + hour) }), {
      ...ascii,
      unicode: true,
    }).join('\n');

    expect(picture).toMatch(/[\u2801-\u28ff]/);
    expect(picture).toContain('░');
    expect(picture).not.toMatch(/[*:|](?!\d)/);
  });

  it('is not flattened by one loose measurement', () => {
    const points = hourly(hour => 100 + hour).map((point, i) =>
      i === 20 ? { ...point, margin: 5_000 } : point,
    );

    const rows = renderPlot(plot({ points }), ascii).filter(line => line.includes('*'));

    expect(rows.length).toBeGreaterThanOrEqual(7);
  });

  it('shows nothing of nothing, and bears a single point', () => {
    expect(renderPlot(plot(), ascii)).toEqual([]);
    expect(renderPlot(plot({ points: hourly(() => 7, 0).slice(0, 1) }), ascii).join('\n')).toContain('*');
  });

  it('always fits the width, with every label there, whatever is plotted', () => {
    const point = fc.record({
      hour: fc.double({ min: 0, max: 48, noNaN: true }),
      value: fc.double({ min: -1e9, max: 1e9, noNaN: true }),
      margin: fc.double({ min: 0, max: 1e9, noNaN: true }),
    });
    fc.assert(
      fc.property(
        fc.array(point, { minLength: 1, maxLength: 40 }),
        fc.array(fc.double({ min: 0, max: 48, noNaN: true }), { maxLength: 5 }),
        fc.integer({ min: MIN_WIDTH, max: 160 }),
        fc.integer({ min: 2, max: 20 }),
        fc.boolean(),
        (given, steps, width, height, unicode) => {
          const points = given
            .map(({ hour, ...rest }) => ({ ...rest, atMs: FROM + Math.floor(hour * HOUR_MS) }))
            .sort((a, b) => a.atMs - b.atMs);
          const lines = renderPlot(
            plot({ points, steps: steps.map(hour => ({ atMs: FROM + hour * HOUR_MS, by: null })) }),
            { width, height, unicode },
          );

          expect(lines).toHaveLength(height + 3 + (steps.length > 0 ? 1 : 0));
          for (const line of lines) expect([...line].length).toBeLessThanOrEqual(width);
          expect(lines.at(-1)).toMatch(/11-15 00:00 .*11-17 00:00$/);
          const drawn = lines.slice(1, height + 1).join('');
          expect(drawn).toMatch(unicode ? /[\u2801-\u28ff]/ : /\*/);
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('ticks', () => {
  it.each([
    [{ low: 0, high: 100 }, 4, ['0', '50', '100']],
    [{ low: -0.3, high: 0.3 }, 4, ['-0.2', '0.0', '0.2']],
    [{ low: 12_345, high: 12_346 }, 5, ['12345.0', '12345.2', '12345.4', '12345.6', '12345.8', '12346.0']],
  ])('of %j are round', (range, most, texts) => {
    expect(ticksOf(range, most).map(({ text }) => text)).toEqual(texts);
  });
});

describe('the terminal', () => {
  it.each([
    [{ LANG: 'de_DE.UTF-8' }, true],
    [{ LANG: 'C.utf8' }, true],
    [{ LANG: 'de_DE.UTF-8', LC_ALL: 'C' }, false],
    [{ LANG: 'en_US.ISO-8859-1' }, false],
    [{ LC_CTYPE: 'UTF-8', LANG: 'C' }, true],
    [{}, false],
  ])('with the locale %j shows UTF-8: %s', (env, speaks) => {
    expect(speaksUtf8(env, 'linux')).toBe(speaks);
  });

  it('on Windows shows it without a locale', () => {
    expect(speaksUtf8({}, 'win32')).toBe(true);
  });

  it('is as wide as it says, within reason, and 80 columns when it says nothing', () => {
    expect(widthOf(120, {})).toBe(120);
    expect(widthOf(undefined, {})).toBe(80);
    expect(widthOf(undefined, { COLUMNS: '100' })).toBe(100);
    expect(widthOf(undefined, { COLUMNS: 'wide' })).toBe(80);
    expect(widthOf(400, {})).toBe(160);
  });
});
