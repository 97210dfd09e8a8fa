/** Whatever data holds, a terminal and a spreadsheet are only shown it. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { table } from '../../src/cli/output.js';
import { csvCell, visible, visibleJson, visibleLines } from '../../src/cli/visible.js';
import { columnsOf, paragraphs, wrap } from '../../src/cli/wrap.js';

const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({
    unit: fc.constantFrom(
      '\u001b',
      '\u0007',
      '\n',
      '\r',
      '\t',
      '\u202e',
      '\u2028',
      '\u0085',
      '\ud800',
      'a',
      '"',
      ',',
      '=',
    ),
  }),
);
// Written apart from the code: what a terminal may act on, by number.
const acts = (text: string) =>
  [...text].some(character => {
    const code = character.codePointAt(0) as number;
    const isC0OrC1 = code < 0x20 || (code >= 0x7f && code <= 0x9f);
    const isBidi =
      (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) || code === 0x200f;
    return isC0OrC1 || isBidi || code === 0x2028 || code === 0x2029 || (code >= 0xd800 && code <= 0xdfff);
  });

describe('text from data', () => {
  it('holds nothing that a terminal acts on', () => {
    fc.assert(fc.property(anyText, text => !acts(visible(text))));
    fc.assert(fc.property(anyText, text => !acts(visibleLines(text).replaceAll('\n', ''))));
  });

  it('is printed as it is where it is harmless', () => {
    expect(visible('Ünïcödé ✓ 日本 £1,000 "q"')).toBe('Ünïcödé ✓ 日本 £1,000 "q"');
    expect(visible('\u001b[2J')).toBe('\\u{1b}[2J');
  });

  it('is the same value in JSON', () => {
    fc.assert(
      fc.property(fc.jsonValue(), anyText, (value, text) => {
        const json = visibleJson({ value, text });
        expect(JSON.parse(json)).toEqual(JSON.parse(JSON.stringify({ value, text })));
        expect(acts(json.replaceAll('\n', ''))).toBe(false);
      }),
    );
  });

  it('is a line of a table each, whatever it holds', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(anyText, anyText), { minLength: 1, maxLength: 4 }), rows => {
        const lines = table(['one', 'two'], rows, ['left', 'left'], undefined).split('\n');
        expect(lines).toHaveLength(rows.length + 1);
      }),
    );
  });
});

describe('a cell of a CSV', () => {
  it('is one field, and no formula', () => {
    fc.assert(
      fc.property(anyText, text => {
        const cell = csvCell(text);
        expect(cell).not.toMatch(/^"?\s*[=+\-@＝＋－＠]/);
        expect(cell).not.toMatch(/[\r\n]/);
        const isQuoted = cell.startsWith('"');
        expect(isQuoted ? /^"(?:[^"]|"")*"$/.test(cell) : !/[",]/.test(cell)).toBe(true);
      }),
    );
  });

  it.each(['=1+1', '+1', '-1', '@SUM(A1)', '  =1+1', '＝1+1', '\t=1'])('is no formula: %j', text => {
    expect(csvCell(text)).toMatch(/^(?:'|\\u\{9\})/);
  });

  it('leaves numbers alone, negative ones too', () => {
    expect([csvCell(-1.5), csvCell(0), csvCell(null)]).toEqual(['-1.5', '0', '']);
  });
});

describe('lines on a terminal', () => {
  const words = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', '日'), minLength: 1, maxLength: 18 }), {
    maxLength: 40,
  });

  it.each([50, 80])('are no longer than its %i columns, and lose no word', width => {
    fc.assert(
      fc.property(words, fc.nat(8), (all, indent) => {
        const text = `${' '.repeat(indent)}${all.join(' ')}`;
        const wrapped = wrap(text, width);
        expect(wrapped.split('\n').every(line => columnsOf(line) <= width)).toBe(true);
        expect(wrapped.split(/\s+/).filter(Boolean)).toEqual(all);
      }),
    );
  });

  it('are left alone where there is no terminal', () => {
    const long = 'x '.repeat(200);
    expect(wrap(long, undefined)).toBe(long);
  });

  it('of one paragraph are put together before they are wrapped', () => {
    expect(paragraphs('a\nb\n\n  c\n  d\nExamples:\n  e')).toBe('a b\n\n  c\n  d\nExamples:\n  e');
  });

  it('of a table stay within it: the last column wraps, and where that is too narrow each field has a line', () => {
    const row = [
      '2026-11-27T10:00:00.000Z',
      'ConnectorSynced',
      'expired: measured, 145.8 ± 7.3 ms for 4 h 58 min',
    ];
    const head = ['recorded', 'event', 'what'];
    for (const width of [80, 50]) {
      const lines = table(head, [row], ['left', 'left', 'left'], width).split('\n');
      expect(Math.max(...lines.map(line => line.length))).toBeLessThanOrEqual(width);
      expect(lines.join(' ').replace(/\s+/g, ' ')).toContain('4 h 58 min');
    }
    expect(table(head, [row], ['left', 'left', 'left'], 50)).toMatch(
      /^recorded {2}2026-11-27T10:00:00.000Z$/m,
    );
  });
});
