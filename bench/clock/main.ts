/**
 * `npm run bench:clock`: the proving ground. How far off are our clocks, and everybody else's, in a world whose truth
 * is known?
 *
 *   npm run bench:clock                      30 days, 1 000 000 inits, seed 1: the tables and the picture under docs/, rewritten
 *   npm run bench:clock -- --seed 7          another world; the picture is drawn only where --picture says
 *   npm run bench:clock -- --json            one JSON object on stdout
 *   npm run bench:clock -- --quick           whether it runs, in seconds; the figures then say little
 *   npm run bench:clock -- --check           exit code 1 when a figure is missed
 *   npm run bench:clock -- --trace 4711      what led to one init, each fact held against the truth
 *   npm run bench:clock -- --inits 100000 --days 3
 *
 * docs/clock-accuracy.md says what is simulated and how it is counted.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { InvalidInputError } from '../../src/base/errors.js';
import { EXIT, exitCodeOf, InterruptedError } from '../../src/cli/exit-codes.js';
import { explain, runSession } from '../../src/cli/session.js';
import { BAD_DAYS, type BadDayFigures, simulateBadDay } from './bad-days.js';
import { measureDecision } from './decision.js';
import { figuresOf } from './figures.js';
import { simulateLongLived } from './long-lived.js';
import { drawPicture } from './picture.js';
import { showFigures } from './report.js';
import { simulate } from './simulate.js';
import { targetsOf } from './targets.js';
import { Trace } from './trace.js';

const DEFAULTS = { seed: 1, inits: 1_000_000, days: 30 };
const QUICK = { inits: 20_000, days: 2 };
/** Of long-lived processes. */
const LONG_DAY = { processes: 24, requests: 4_320 };
const QUICK_DAY = { processes: 6, requests: 288 };
const DECISIONS = 50_000;
const PICTURE = 'docs/clock-accuracy.svg';
const DOCUMENT = 'docs/clock-accuracy.md';
const FIGURES = /(<!-- figures[^>]*-->\n).*(<!-- \/figures -->)/s;

function wholeNumber(name: string, text: string | undefined, fallback: number, min: number): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= min && value <= 2 ** 30) return value;
  throw new InvalidInputError(`--${name} must be a whole number from ${min} to ${2 ** 30}, got ${text}`);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string' },
      inits: { type: 'string' },
      days: { type: 'string' },
      trace: { type: 'string' },
      picture: { type: 'string' },
      json: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      check: { type: 'boolean', default: false },
    },
  });
  const size = values.quick ? QUICK : DEFAULTS;
  const seed = wholeNumber('seed', values.seed, DEFAULTS.seed, 0);
  const inits = wholeNumber('inits', values.inits, size.inits, 1_000);
  const days = wholeNumber('days', values.days, size.days, 1);
  const traced = values.trace === undefined ? undefined : wholeNumber('trace', values.trace, 0, 0);
  const isDefault = seed === DEFAULTS.seed && inits === DEFAULTS.inits && days === DEFAULTS.days;
  const isPublished = isDefault && !values.json;
  const picture = values.picture ?? (isPublished ? PICTURE : undefined);

  await runSession(values.json, async ({ out, signal }) => {
    const decisionUs = await measureDecision(values.quick ? DECISIONS / 10 : DECISIONS);
    const trace = traced === undefined ? undefined : new Trace(traced, line => out.message(line));
    const tally = await simulate({
      seed,
      inits,
      days,
      trace,
      onProgress: begun => {
        signal.throwIfAborted();
        out.progress(`${begun} of ${inits} inits`);
      },
    });
    out.progress(`${inits} of ${inits} inits`, 'end');
    const longLived = await simulateLongLived({ seed, ...(values.quick ? QUICK_DAY : LONG_DAY) });
    const badDays: BadDayFigures[] = [];
    for (const day of BAD_DAYS) badDays.push(await simulateBadDay(seed, day));
    const figures = figuresOf(tally, decisionUs, { longLived, badDays });
    if (picture !== undefined) {
      writeFileSync(picture, drawPicture(figures, tally.errors));
      out.message(`drawn: ${picture}`);
    }
    if (isPublished) {
      const published = `$1\n\`\`\`\n${showFigures(figures)}\n\`\`\`\n\n$2`;
      writeFileSync(DOCUMENT, readFileSync(DOCUMENT, 'utf8').replace(FIGURES, published));
      out.message(`written: ${DOCUMENT}`);
    }
    out.data(figures, () => showFigures(figures));
    const remarkable = [
      { what: 'beyond its bound', outcomes: tally.violations },
      { what: 'refused without a step', outcomes: tally.unexplained },
      { what: 'refused after a step that was met before', outcomes: tally.repeated },
      { what: 'failed', outcomes: tally.failures },
    ];
    for (const { what, outcomes } of remarkable) {
      for (const { init } of outcomes) {
        out.message(
          `${what}: init ${init.number} on ${init.place.host.machine.name}; see --trace ${init.number}`,
        );
      }
    }
    const missed = targetsOf(figures).filter(({ isMet }) => !isMet);
    for (const { name } of missed) out.message(`missed: ${name}`);
    if (values.check && missed.length > 0) process.exitCode = EXIT.failed;
  });
}

try {
  await main();
} catch (error) {
  const isOption = (error as { code?: unknown }).code?.toString().startsWith('ERR_PARSE_ARGS');
  if (!(error instanceof InterruptedError)) process.stderr.write(`bench:clock: ${explain(error)}\n`);
  process.exitCode = isOption ? EXIT.usage : exitCodeOf(error);
}
