import { figuresOf } from './figures.js';
import { simulate } from './simulate.js';
import { Trace } from './trace.js';

const [seed = '1', inits = '20000', days = '1', traced] = process.argv.slice(2);
const t0 = process.cpuUsage();
const trace = traced ? new Trace(+traced, line => process.stdout.write(`${line}\n`)) : undefined;
const tally = await simulate({
  trace,
  seed: +seed,
  inits: +inits,
  days: +days,
  onProgress: n => process.stderr.write(`${n} `),
});
const cpu = process.cpuUsage(t0);
const f = figuresOf(tally, { p50: 0, p99: 0 });
const r = (v: unknown) => (typeof v === 'number' ? +v.toPrecision(4) : v);
process.stdout.write(
  `\ncpu ${(cpu.user + cpu.system) / 1e6}s mem ${Math.round(process.memoryUsage().rss / 1e6)}MB\n`,
);
for (const e of [...f.estimators, ...f.references])
  process.stdout.write(`${e.name.padEnd(20)} ${[e.p50Ms, e.p99Ms, e.p999Ms, e.maxMs].map(r).join('\t')}\n`);
process.stdout.write(`${JSON.stringify([...tally.contacts])}\n`);
for (const [n, x] of tally.byExchange)
  process.stdout.write(
    `${n} ${x.ours.count} ours ${[0.5, 0.9, 0.99, 0.999, 1].map(q => r(x.ours.quantile(q)))} oracle ${[0.5, 0.9, 0.99, 0.999, 1].map(q => r(x.oracle.quantile(q)))}\n`,
  );
const { estimators, policies, references, ...rest } = f;
for (const p of policies) process.stdout.write(JSON.stringify(p, (_, v) => r(v)) + '\n');
process.stdout.write(JSON.stringify(rest, (_, v) => r(v)) + '\n');
for (const [title, list] of [
  ['violation', tally.violations],
  ['unexplained', tally.unexplained],
] as const)
  for (const o of list)
    process.stdout.write(
      `${title} init ${o.init.number} ${o.init.exchange.exchange} ${o.init.exchange.environment} ${o.init.place.host.machine.name} err ${o.signings[0]?.errorMs} unc ${o.signings[0]?.uncertaintyMs} ${o.signings[0]?.verdict}\n`,
    );
