/** What attaching bybit-api's REST client to a connector adds to each signed request. */
import type { Benchmark } from '../benchmark.js';
import type { AttachedAnswer, AttachedTask } from '../programs/attached.js';
import { runProgram } from '../run-program.js';

export const attached: Benchmark = {
  name: 'attached',
  title:
    "Attached client: signed requests of bybit-api's RestClientV5, attached beside bare, one after the other",
  run: ({ server, signal, isQuick }) =>
    server.withDatabase('attached', async databaseUrl => {
      const task: AttachedTask = {
        databaseUrl,
        rounds: isQuick ? 4 : 40,
        requestsPerRound: isQuick ? 200 : 1_000,
      };
      const found = await runProgram<AttachedAnswer>('attached', task, { signal });
      const { fromMemory, overSimulator } = found;
      const beside = ({ bareUs, attachedUs, ratio }: AttachedAnswer['fromMemory']) => ({
        value: attachedUs,
        unit: 'µs' as const,
        peer: { name: 'bare', value: bareUs },
        ratio,
      });
      return {
        figures: [
          {
            name: 'added to a request',
            value: fromMemory.addedUs,
            unit: 'µs',
            limit: { on: 'value', kind: 'at most', value: 20 },
          },
          { name: 'a request, answered from memory', ...beside(fromMemory) },
          { name: 'a request, over the simulator', ...beside(overSimulator) },
        ],
      };
    }),
};
