import { simulate } from './simulate.js';
import { figuresOf } from './report.js';
const [seed = '1', inits = '20000', days = '1'] = process.argv.slice(2);
const t0 = process.cpuUsage();
const big: string[] = [];
const tally = await simulate({ onOutcome: o => { const f = o.signings[0]; if (process.env.BIG && f && f.verdict !== 'lying-host' && Math.abs(f.errorMs) > +process.env.BIG && big.length < 400) big.push(`${o.init.number} ${o.init.exchange.exchange} ${o.init.exchange.environment} ${o.init.place.host.machine.name} err ${f.errorMs.toFixed(1)} unc ${f.uncertaintyMs.toFixed(1)} ${f.verdict} ${o.result?.contact} ${o.result?.tier} linkage ${(f.with.nowMs - f.with.state.link.atMs).toFixed(0)} age ${(f.with.nowMs + f.with.state.link.offsetMs - f.with.state.estimate.atMs).toFixed(0)} oracle ${f.oracleErrorMs?.toFixed(1)}`); }, seed: +seed, inits: +inits, days: +days, onProgress: n => process.stderr.write(`${n} `) });
const cpu = process.cpuUsage(t0);
const f = figuresOf(tally, { p50: 0, p99: 0 });
const r = (v: unknown) => (typeof v === 'number' ? +v.toPrecision(4) : v);
process.stdout.write(`\ncpu ${(cpu.user + cpu.system) / 1e6}s mem ${Math.round(process.memoryUsage().rss / 1e6)}MB\n`);
for (const e of [...f.estimators, ...f.references]) process.stdout.write(`${e.name.padEnd(20)} ${[e.p50Ms, e.p99Ms, e.p999Ms, e.maxMs].map(r).join('\t')}\n`);
const { estimators, policies, references, ...rest } = f;
for (const p of policies) process.stdout.write(JSON.stringify(p, (_, v) => r(v)) + '\n');
process.stdout.write(JSON.stringify(rest, (_, v) => r(v)) + '\n');
for (const [title, list] of [['violation', tally.violations], ['unexplained', tally.unexplained]] as const)
  for (const o of list.slice(0, 4)) {
    process.stdout.write(`${title} init ${o.init.number} ${o.init.exchange.exchange} ${o.init.exchange.environment} ${o.init.place.host.machine.name} result ${JSON.stringify(o.result)} ${o.error}\n`);
    for (const s of o.signings) process.stdout.write(`   at ${new Date(s.atMs).toISOString()} linkerr ${s.with.state.link.offsetMs - (tally.world.references.find(r => r.id === s.with.state.link.clockId)!.clock.read(s.atMs) - s.with.nowMs)} steps ${o.init.exchange.clock.steps.map(x=>new Date(x.atMs).toISOString()+' '+x.byMs.toFixed(0))} outage ${new Date(tally.world.outage.fromMs).toISOString()} err ${s.errorMs} unc ${s.uncertaintyMs} verdict ${s.verdict} age ${s.with.nowMs - s.with.state.estimate.atMs} linkage ${s.with.nowMs - s.with.state.link.atMs} state ${JSON.stringify(s.with.state)}\n`);
    process.stdout.write(`   ${JSON.stringify(o.refusals)}\n`);
  }
for (const line of big) process.stdout.write(`${line}\n`);
