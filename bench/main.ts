/**
 * `npm run bench`: every figure the project promises, measured here and now.
 *
 *   npm run bench                    all, in some forty minutes
 *   npm run bench -- lookup memory   some
 *   npm run bench -- --quick         whether they run, in a minute or two; the figures then say little
 *   npm run bench -- --json          one JSON object on stdout
 *   npm run bench -- --check         exit code 1 when a figure is missed
 *   npm run bench -- round-trips --rtt 5   the link to the database, milliseconds there and back
 *
 * Close other programs first: on two cores a busy neighbour is half the machine.
 */
import { parseArgs } from 'node:util';
import { EXIT, exitCodeOf, InterruptedError } from '../src/cli/exit-codes.js';
import { explain, runSession } from '../src/cli/session.js';
import type { Benchmark } from './benchmark.js';
import { append } from './benchmarks/append.js';
import { attached } from './benchmarks/attached.js';
import { dashboard } from './benchmarks/dashboard.js';
import { demo } from './benchmarks/demo.js';
import { drift } from './benchmarks/drift.js';
import { edge } from './benchmarks/edge.js';
import { esdbAppend } from './benchmarks/esdb-append.js';
import { esdbCatchUp } from './benchmarks/esdb-catch-up.js';
import { esdbMemory } from './benchmarks/esdb-memory.js';
import { esdbVisibility } from './benchmarks/esdb-visibility.js';
import { feed } from './benchmarks/feed.js';
import { footprint } from './benchmarks/footprint.js';
import { forecast } from './benchmarks/forecast.js';
import { http } from './benchmarks/http.js';
import { lookup } from './benchmarks/lookup.js';
import { projector } from './benchmarks/projector.js';
import { projectorLink } from './benchmarks/projector-link.js';
import { redis } from './benchmarks/redis.js';
import { redisFailover } from './benchmarks/redis-failover.js';
import { roundTrips } from './benchmarks/round-trips.js';
import { tenants } from './benchmarks/tenants.js';
import { thaw } from './benchmarks/thaw.js';
import { visibility } from './benchmarks/visibility.js';
import { warmInit } from './benchmarks/warm-init.js';
import { describeMachine, machineLine, othersShare } from './machine.js';
import { isMet, showFinding } from './report.js';
import { startBenchServer } from './server.js';

const BENCHMARKS: readonly Benchmark[] = [
  warmInit,
  footprint,
  lookup,
  append,
  projector,
  visibility,
  tenants,
  forecast,
  feed,
  http,
  roundTrips,
  projectorLink,
  redis,
  redisFailover,
  attached,
  thaw,
  edge,
  esdbAppend,
  esdbCatchUp,
  esdbMemory,
  esdbVisibility,
  drift,
  dashboard,
  demo,
];

/** Others that use more than this of the machine are heard in the figures. */
const QUIET = 0.05;

const busyText = (share: number) =>
  `other programs were using ${Math.round(share * 100)} % of the machine when it began, and its figures tell of them too`;

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      json: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      check: { type: 'boolean', default: false },
      rtt: { type: 'string', default: '5' },
    },
  });
  const unknown = positionals.filter(wanted => !BENCHMARKS.some(({ name }) => name === wanted));
  if (unknown.length > 0) {
    const known = BENCHMARKS.map(({ name }) => name).join(', ');
    process.stderr.write(`bench: there is no benchmark ${unknown.join(', ')}; known are ${known}\n`);
    process.exitCode = EXIT.usage;
    return;
  }
  const rttMs = Number(values.rtt);
  if (!(rttMs >= 0 && rttMs <= 1_000)) {
    process.stderr.write(`bench: --rtt must be 0 to 1000 milliseconds, got ${values.rtt}\n`);
    process.exitCode = EXIT.usage;
    return;
  }
  const chosen = BENCHMARKS.filter(({ name }) => positionals.length === 0 || positionals.includes(name));

  await runSession(values.json, async ({ out, signal, onEnd }) => {
    const server = await startBenchServer();
    onEnd(() => server.stop());
    const machine = describeMachine(server.version);
    if (!out.json) process.stdout.write(`${machineLine(machine)}\n`);

    const results = [];
    for (const { name, title, run } of chosen) {
      const busy = await othersShare();
      signal.throwIfAborted();
      const progress = (text: string) => out.progress(`${name}: ${text}`);
      const finding = await run({ server, signal, isQuick: values.quick, rttMs, progress });
      out.progress(`${name}: done`, 'end');
      if (!out.json) process.stdout.write(`${showFinding(title, finding)}\n`);
      const figures = finding.figures.map(figure => ({ ...figure, met: isMet(figure) ?? null }));
      results.push({ name, title, othersShare: busy, figures, notes: finding.notes ?? [] });
      if (busy > QUIET) out.message(`${name}: ${busyText(busy)}`);
    }
    const missed = results.flatMap(({ figures }) => figures).filter(({ met }) => met === false);
    if (out.json) out.data({ machine, quick: values.quick, benchmarks: results }, () => '');
    for (const { name } of missed) out.message(`missed: ${name}`);
    if (values.check && missed.length > 0) process.exitCode = EXIT.failed;
  });
}

try {
  await main();
} catch (error) {
  if (!(error instanceof InterruptedError)) process.stderr.write(`bench: ${explain(error)}\n`);
  process.exitCode = exitCodeOf(error);
}
