/** Filters: each writes itself into the page's address. */
import { ENVIRONMENTS, EXCHANGES } from '../../../events/connector.js';
import type { Filters } from '../state/address.js';
import { fixedRange, namedRange, RANGES, type RangeName, type TimeRange } from '../state/range.js';
import { utc } from '../state/words.js';

type Change = (to: Filters, how?: { replace?: boolean }) => void;

interface SelectProps {
  readonly label: string;
  readonly value: string;
  /** `['', 'all']` for none. */
  readonly options: readonly (readonly [string, string])[];
  readonly onChange: (value: string) => void;
}

export function Select({ label, value, options, onChange }: SelectProps) {
  // A value from an address that is none of these is shown all the same: it is what the page is about.
  const known = options.some(([name]) => name === value);
  return (
    <label class="choice">
      <span>{label}</span>
      <select value={value} onChange={event => onChange(event.currentTarget.value)}>
        {!known && <option value={value}>{value}</option>}
        {options.map(([name, text]) => (
          <option key={name} value={name}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

export function RangeChoice({ range, change }: { readonly range: TimeRange; readonly change: Change }) {
  const spanMs = range.untilMs - range.fromMs;
  const move = (by: number) => change(fixedRange(range.fromMs + by * spanMs, range.untilMs + by * spanMs));
  return (
    <div class="range" role="group" aria-label="Time range">
      <button type="button" aria-label="Earlier" onClick={() => move(-0.5)}>
        ‹
      </button>
      {RANGES.map((name: RangeName) => (
        <button
          type="button"
          key={name}
          aria-pressed={range.name === name}
          onClick={() => change(namedRange(name))}
        >
          {name}
        </button>
      ))}
      <button type="button" aria-label="Later" onClick={() => move(0.5)}>
        ›
      </button>
      {range.name === undefined && (
        <span class="soft">
          {utc(range.fromMs)} – {utc(range.untilMs)} UTC
        </span>
      )}
    </div>
  );
}

export function ExchangeChoice({ filters, change }: { readonly filters: Filters; readonly change: Change }) {
  const all = (names: readonly string[]) => [
    ['', 'all'] as const,
    ...names.map(name => [name, name] as const),
  ];
  return (
    <>
      <Select
        label="Exchange"
        value={filters['exchange'] ?? ''}
        options={all(EXCHANGES)}
        onChange={exchange => change({ exchange })}
      />
      <Select
        label="Environment"
        value={filters['environment'] ?? ''}
        options={all(ENVIRONMENTS)}
        onChange={environment => change({ environment })}
      />
    </>
  );
}
