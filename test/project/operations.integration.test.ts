/**
 * The dashboard and the alert rules, asked of a real Prometheus that scrapes a running service.
 *
 * Debian's package (`prometheus`), which .ci/run installs; where it is missing this is skipped, and its title says so.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { anybody } from '../../src/http/access/authentication.js';
import { givenServer } from '../http/support.js';

const isThere =
  spawnSync('prometheus', ['--version']).status === 0 && spawnSync('promtool', ['--version']).status === 0;
const why = isThere ? '' : ' (skipped: prometheus and promtool are not installed)';
const withPrometheus = isThere ? it : it.skip;

const file = (name: string) => new URL(`../../docs/operations/${name}`, import.meta.url);

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly annotations: Readonly<Record<string, string>>;
}
const { groups } = parse(readFileSync(file('alerts.yml'), 'utf8')) as { groups: { rules: Rule[] }[] };
const rules = groups.flatMap(group => group.rules);

interface Panel {
  readonly title: string;
  readonly targets?: readonly { readonly expr: string }[];
}
const dashboard = JSON.parse(readFileSync(file('dashboard.json'), 'utf8')) as {
  readonly panels: readonly Panel[];
};
/** As Grafana sends them. */
const asSent = (expr: string) =>
  expr
    .replaceAll('$__rate_interval', '1m')
    .replaceAll('"$exchange"', '".*"')
    .replaceAll('"$environment"', '".*"');
const queries = [
  ...dashboard.panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }) => ({ name: title, expr: asSent(expr) })),
  ),
  ...rules.map(({ alert, expr }) => ({ name: alert, expr })),
];
const metricsIn = (expr: string) =>
  [...expr.matchAll(/connector_state_[a-z_]+/g)].map(([name]) => name.replace(/_(bucket|count|sum)$/, ''));

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'connector-state-prometheus-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('alert rules', () => {
  it('each have a page that says what to do', () => {
    const text = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8');
    const anchors = new Set([...text.matchAll(/^#+ (\w+)$/gm)].map(([, title]) => title?.toLowerCase()));
    for (const { alert, annotations } of rules) {
      expect(annotations.runbook).toBe(`docs/operations.md#${alert.toLowerCase()}`);
      expect([...anchors]).toContain(alert.toLowerCase());
    }
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
  });

  withPrometheus(`are what promtool takes, and fire when they should${why}`, () => {
    const check = (args: string[]) => execFileSync('promtool', args, { encoding: 'utf8', stdio: 'pipe' });
    expect(check(['check', 'rules', file('alerts.yml').pathname])).toContain('SUCCESS');
    expect(check(['check', 'config', '--syntax-only', file('prometheus.yml').pathname])).toContain('SUCCESS');
    expect(check(['test', 'rules', file('alerts.test.yml').pathname])).toContain('SUCCESS');
  });
});

describe('a running service', () => {
  withPrometheus(`is scraped, and answers every query of the dashboard and the rules${why}`, async () => {
    const { state, server, world } = await givenServer({ authenticator: anybody });
    await world.connector(state, 'BYBIT').initialize();
    await state.flush();
    await world.connector(state, 'BYBIT').initialize();
    await world.sql(`UPDATE exchange_clock SET scope = 'default'`);
    const url = new URL(await server.listen({ host: '127.0.0.1', port: 0 }));
    const text = await (await fetch(new URL('/metrics', url))).text();
    const lint = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' });
    expect(lint.stderr).toBe('');
    expect(lint.status).toBe(0);
    const exposed = new Set([...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name));
    for (const { name, expr } of queries) {
      for (const metric of metricsIn(expr))
        expect({ name, metric, has: exposed.has(metric) }).toEqual({ name, metric, has: true });
    }

    const prometheus = await startPrometheus(url.host);
    try {
      const ask = async (query: string, time?: string) => {
        const parameters = new URLSearchParams({ query, ...(time !== undefined && { time }) });
        const answer = await fetch(`${prometheus.url}/api/v1/query?${parameters}`);
        return (await answer.json()) as {
          status: string;
          error?: string;
          data: { result: { value: [number, string] }[] };
        };
      };
      // When the last of some scrapes came to its end, so that there are rates. One that fails, on a busy machine, leaves
      // no figure until the next.
      const up = 'up{job="connector-state"}';
      const scraped = `max(timestamp(${up} == 1)) and on () sum(sum_over_time(${up}[5m])) > 2`;
      let at: string | undefined;
      while (at === undefined) {
        const { status, data } = await ask(scraped).catch(() => ({ status: 'away', data: { result: [] } }));
        if (status === 'success') at = data.result[0]?.value[1];
        if (at === undefined) await new Promise(resolve => setTimeout(resolve, 100));
      }
      const withoutData: string[] = [];
      for (const { name, expr } of queries) {
        const { status, error, data } = await ask(expr, at);
        expect({ name, expr, status, error }).toEqual({ name, expr, status: 'success', error: undefined });
        if (data.result.length === 0 && !rules.some(({ alert }) => alert === name)) withoutData.push(name);
      }
      // Nothing was refused, late or unanswered; whatever else the dashboard shows has something to show.
      expect([...new Set(withoutData)].sort()).toEqual(
        [
          'Lateness of late requests, 95th percentile',
          'Refusals healed during inits',
          'Signed requests refused or unanswered',
        ].sort(),
      );
      const firing = await ask('ALERTS{alertstate="firing"}');
      expect(firing.data.result).toEqual([]);
    } finally {
      await prometheus.stop();
      server.server.closeAllConnections();
    }
  });
});

async function startPrometheus(target: string): Promise<{ url: string; stop(): Promise<void> }> {
  const port = await freePort();
  const config = {
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: [file('alerts.yml').pathname],
    scrape_configs: [{ job_name: 'connector-state', static_configs: [{ targets: [target] }] }],
  };
  // JSON is YAML.
  writeFileSync(join(folder, 'prometheus.yml'), JSON.stringify(config));
  const child: ChildProcess = spawn(
    'prometheus',
    [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=error',
    ],
    { stdio: 'ignore' },
  );
  const ended = new Promise<void>(resolve => child.once('exit', () => resolve()));
  return {
    url: `http://127.0.0.1:${port}`,
    async stop() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise(resolve => server.close(resolve));
  return port;
}
