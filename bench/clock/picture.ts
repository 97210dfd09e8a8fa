/**
 * The picture of a run: how often each estimator is off by how much, and what the policies cost.
 *
 * Left, for each error the share of inits that were off by more, both on logarithmic axes, because the tails are what
 * requests are refused for. Right, one small chart for each thing that a policy costs.
 */
import type { Figures, PolicyFigures } from './figures.js';
import type { Sample } from './statistics.js';
import { ESTIMATORS, type Estimator, type Tally } from './tally.js';

const [WIDTH, HEIGHT] = [1080, 520];
const PLOT = { left: 74, top: 64, width: 560, height: 372 };
const BARS = { left: 740, top: 64, width: 190, height: 74, gap: 24 };

const COLOURS: Readonly<Record<string, string>> = {
  ours: '#0b6e4f',
  oracle: '#111111',
  'min-of-8': '#6a51a3',
  hummingbot: '#1f78b4',
  ccxt: '#d95f02',
  'bybit-api': '#c51b7d',
  'cold-single': '#999999',
  adaptive: '#0b6e4f',
  'fixed-15min': '#1f78b4',
  'no-cache': '#d95f02',
};

/** Decades of the axes. */
const ERROR_MS = { from: -2, to: 4 };
const SHARE = { from: -6, to: 0 };

const xOf = (errorMs: number) =>
  PLOT.left +
  (PLOT.width * (clamp(Math.log10(errorMs), ERROR_MS) - ERROR_MS.from)) / (ERROR_MS.to - ERROR_MS.from);
const yOf = (share: number) =>
  PLOT.top + (PLOT.height * (SHARE.to - clamp(Math.log10(share), SHARE))) / (SHARE.to - SHARE.from);

export function drawPicture(figures: Figures, errors: Tally['errors']): string {
  const { seed, inits, days } = figures;
  const title = `${inits.toLocaleString('en-US')} inits in ${days} days, seed ${seed}`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="system-ui, sans-serif" font-size="12" fill="#222" role="img" aria-label="Clock accuracy: ${title}">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    text(PLOT.left, 26, 'Error of the offset at init', 'font-size="16" font-weight="600"'),
    text(PLOT.left, 46, `share of inits that are off by more; ${title}`, 'fill="#666"'),
    ...axes(),
    ...ESTIMATORS.map(name => curve(name, errors[name])),
    ...legend(figures),
    text(BARS.left - 90, 26, 'What a policy costs', 'font-size="16" font-weight="600"'),
    ...bars(figures.policies),
    '</svg>',
    '',
  ].join('\n');
}

function axes(): string[] {
  const lines: string[] = [];
  const { left, top, width, height } = PLOT;
  for (let decade = ERROR_MS.from; decade <= ERROR_MS.to; decade++) {
    const x = xOf(10 ** decade);
    lines.push(`<path d="M${fixed(x)} ${top}v${height}" stroke="#e4e4e4"/>`);
    lines.push(text(x, top + height + 18, errorLabel(decade), 'text-anchor="middle" fill="#666"'));
  }
  for (let decade = SHARE.from; decade <= SHARE.to; decade++) {
    const y = yOf(10 ** decade);
    lines.push(`<path d="M${left} ${fixed(y)}h${width}" stroke="#e4e4e4"/>`);
    lines.push(text(left - 8, y + 4, shareLabel(decade), 'text-anchor="end" fill="#666"'));
  }
  return lines;
}

const errorLabel = (decade: number) => (decade >= 3 ? `${10 ** (decade - 3)} s` : `${10 ** decade} ms`);
const shareLabel = (decade: number) =>
  decade >= -2 ? `${100 * 10 ** decade} %` : `10${superscript(decade)}`;
const superscript = (n: number) =>
  [...String(n)].map(digit => (digit === '-' ? '⁻' : '⁰¹²³⁴⁵⁶⁷⁸⁹'[Number(digit)])).join('');

/** Two of them nearly coincide: one is seen through the gaps of the other. */
function dashOf(name: string): string {
  if (name === 'oracle') return ' stroke-dasharray="5 4"';
  return name === 'cold-single' ? ' stroke-dasharray="2 5"' : '';
}

/** More and more points towards the tail. */
const POINTS_A_DECADE = 24;

function curve(name: Estimator, sample: Sample): string {
  const points: string[] = [];
  for (let n = 0; n <= -SHARE.from * POINTS_A_DECADE; n++) {
    const share = 10 ** (-n / POINTS_A_DECADE);
    if (share * sample.count < 1) break;
    points.push(`${fixed(xOf(sample.quantile(1 - share)))} ${fixed(yOf(share))}`);
  }
  const dash = dashOf(name);
  const width = name === 'ours' ? 2.8 : 1.6;
  return `<path d="M${points.join('L')}" fill="none" stroke="${COLOURS[name]}" stroke-width="${width}"${dash}/>`;
}

const LEGEND_STEP = 190;

function legend({ estimators }: Figures): string[] {
  return estimators.map(({ name, p99Ms }, n) => {
    const x = PLOT.left + (n % 4) * LEGEND_STEP;
    const y = PLOT.top + PLOT.height + 44 + 20 * Math.floor(n / 4);
    const dash = dashOf(name);
    return (
      `<path d="M${fixed(x)} ${y - 4}h18" stroke="${COLOURS[name]}" stroke-width="3"${dash}/>` +
      text(x + 24, y, `${name} (p99 ${short(p99Ms)} ms)`)
    );
  });
}

interface Chart {
  readonly title: string;
  readonly costOf: (policy: PolicyFigures) => number;
  readonly show: (value: number) => string;
}

const CHARTS: readonly Chart[] = [
  { title: 'Inits refused', costOf: p => 100 * p.refusedShare, show: value => `${short(value)} %` },
  { title: 'Syncs per 1000 inits', costOf: p => p.syncsPer1000, show: short },
  { title: 'Hit rate', costOf: p => 100 * p.hitRate, show: value => `${Number(value.toFixed(3))} %` },
  { title: 'Waited before ready, p99', costOf: p => p.waitedMsP99, show: value => `${short(value)} ms` },
];

function bars(policies: readonly PolicyFigures[]): string[] {
  return CHARTS.flatMap(({ title, costOf, show }, n) => {
    const top = BARS.top + n * (BARS.height + BARS.gap);
    const most = Math.max(...policies.map(costOf), Number.MIN_VALUE);
    const height = (BARS.height - 14) / policies.length;
    return [
      text(BARS.left - 90, top + 2, title, 'font-weight="600"'),
      ...policies.map((policy, row) => {
        const value = costOf(policy);
        const y = top + 10 + row * height;
        const width = Math.max(1, (BARS.width * value) / most);
        return (
          text(BARS.left - 8, y + height / 2 + 4, policy.name, 'text-anchor="end" fill="#444"') +
          `<rect x="${BARS.left}" y="${fixed(y + 2)}" width="${fixed(width)}" height="${fixed(height - 4)}" fill="${COLOURS[policy.name]}"/>` +
          text(BARS.left + width + 6, y + height / 2 + 4, show(value))
        );
      }),
    ];
  });
}

const text = (x: number, y: number, content: string, attributes = '') =>
  `<text x="${fixed(x)}" y="${fixed(y)}" ${attributes}>${content}</text>`;

const fixed = (value: number) => String(Number(value.toFixed(1)));

function short(value: number): string {
  if (value === 0) return '0';
  return value >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(2)));
}

const clamp = (value: number, { from, to }: { readonly from: number; readonly to: number }) =>
  Math.min(to, Math.max(from, value));
