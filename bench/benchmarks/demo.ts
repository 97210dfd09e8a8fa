/** The demo, run as anyone would, and its times held against each other. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Benchmark } from '../benchmark.js';
import { against, type Figure, type Limit } from '../report.js';
import { runScript } from '../run-program.js';

interface DemoReport {
  readonly scenarios: readonly { readonly name: string; readonly totalMs: number; readonly failed: number }[];
}

const CLI = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

export const demo: Benchmark = {
  name: 'demo',
  title: 'Demo: twenty connectors restored, time sync 1500 ms, verify 200 ms',
  async run({ server, signal, progress }) {
    progress('about a minute');
    const printed = await runScript(CLI, ['demo', '--json'], '', {
      signal,
      env: { CONNECTOR_STATE_DATA_DIR: join(server.directory, 'demo'), DATABASE_URL: '' },
    });
    const { scenarios } = JSON.parse(printed) as DemoReport;
    const secondsOf = (name: string): number => {
      const scenario = scenarios.find(each => each.name === name);
      if (!scenario || scenario.failed > 0)
        throw new Error(`the demo's scenario ${name} is missing or failed`);
      return scenario.totalMs / 1_000;
    };
    const uncached = secondsOf('uncached');
    const figure = (name: string, limit?: Limit): Figure => ({
      name,
      value: secondsOf(name),
      unit: 's',
      ...(name !== 'uncached' && against('uncached', uncached, secondsOf(name))),
      ...(limit && { limit }),
    });
    return {
      figures: [
        figure('uncached', { on: 'value', kind: 'at least', value: 33 }),
        figure('cold'),
        figure('warm', { on: 'value', kind: 'at most', value: 5 }),
        figure('warm-parallel', { on: 'value', kind: 'at most', value: 0.5 }),
        figure('clock-step'),
        figure('database-down'),
      ],
    };
  },
};
