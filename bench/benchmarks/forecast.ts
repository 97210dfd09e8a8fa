/** What forecasts cost: their tables in the projector, and a prediction for every connector. */
import type { Benchmark } from '../benchmark.js';
import type { FillLogTask } from '../programs/fill-log.js';
import type { ForecastAnswer, ForecastTask } from '../programs/forecast.js';
import { runProgram } from '../run-program.js';
import { median } from '../statistics.js';

const LOGGED = 10_000;
const CONNECTORS = 100_000;

export const forecast: Benchmark = {
  name: 'forecast',
  title: 'Forecasts: the tables of habits in the projector, and a prediction for 100 000 connectors',
  run: ({ server, signal, isQuick, progress }) =>
    server.withDatabase('forecast', async databaseUrl => {
      const events = isQuick ? 20_000 : 200_000;
      progress(`appending ${events} events`);
      const fill: FillLogTask = { databaseUrl, connectors: LOGGED, events };
      await runProgram<unknown>('fill-log', fill, { signal });
      progress('catching up in turns, and predicting');
      const task: ForecastTask = {
        databaseUrl,
        rounds: isQuick ? 1 : 5,
        connectors: isQuick ? CONNECTORS / 10 : CONNECTORS,
      };
      const told = await runProgram<ForecastAnswer>('forecast', task, { signal });
      const { withHabits, without, forecastMs, forecasts } = told;
      if (forecasts !== task.connectors) throw new Error(`only ${forecasts} forecasts by their history`);
      return {
        figures: [
          {
            name: 'catching up, with the habits',
            value: median(withHabits),
            unit: '/s',
            peer: { name: 'without', value: median(without) },
            ratio: median(withHabits.map((perSecond, i) => perSecond / (without[i] as number))),
            limit: { on: 'ratio', kind: 'at least', value: 0.8 },
          },
          {
            name: `predicting ${task.connectors} connectors, read from the table`,
            value: median(forecastMs),
            unit: 'ms',
            limit: { on: 'value', kind: 'at most', value: 1_000 },
          },
        ],
      };
    }),
};
