import { type Command, InvalidArgumentError, Option } from 'commander';
import type { KnobPatch } from '../../exchanges/simulator/index.js';
import { runSession } from '../session.js';

interface Options {
  readonly json?: boolean;
  readonly bybitPort: number;
  readonly bingxPort: number;
  readonly controlPort: number;
  readonly timeLatency: number;
  readonly verifyLatency: number;
  readonly fundingLatency: number;
  readonly jitter: number;
  readonly asymmetry: number;
  readonly skew: number;
  readonly drift: number;
  readonly seed: number;
}

export function addSimulate(program: Command): void {
  const port = (name: string) =>
    new Option(`--${name}-port <port>`, 'loopback port; 0 for any free one').default(0).argParser(number);
  const knob = (flags: string, text: string, value: number) =>
    new Option(flags, text).default(value).argParser(number);
  program
    .command('simulate')
    .description('run simulated Bybit and BingX exchanges on loopback, until Ctrl-C')
    .addOption(port('bybit'))
    .addOption(port('bingx'))
    .addOption(port('control'))
    .addOption(knob('--time-latency <ms>', 'of the time endpoint', 1500))
    .addOption(knob('--verify-latency <ms>', 'of the account endpoints', 200))
    .addOption(knob('--funding-latency <ms>', 'of the market endpoints', 50))
    .addOption(knob('--jitter <ms>', 'up to so much more latency', 0))
    .addOption(knob('--asymmetry <share>', "share of the latency before the server's stamp, 0 to 1", 0.5))
    .addOption(knob('--skew <ms>', "how far the exchanges' clocks are ahead", 0))
    .addOption(knob('--drift <ppm>', 'how much faster they run', 0))
    .addOption(knob('--seed <n>', 'of jitter and funding rates', 1))
    .addHelpText(
      'after',
      '\nSteered while it runs through the control URL it prints (POST /__simulator/step, /set, /fault; GET /__simulator/state).\nIts clock can be made to tell nonsense: /set with toldTime (cached, backwards, future, seconds, microseconds, nanoseconds, zero, negative, null), dateHeader (true, false) and ageSeconds.\n\nExample:\n  connector-state simulate --skew 145 --bybit-port 4001 --bingx-port 4002',
    )
    .action((options: Options) =>
      runSession(options.json === true, async ({ out, untilStopped, onEnd }) => {
        const { startExchangeSimulator, demoAccount } = await import('../../exchanges/simulator/index.js');
        const knobs: KnobPatch = {
          latencyMs: {
            time: options.timeLatency,
            verify: options.verifyLatency,
            funding: options.fundingLatency,
          },
          jitterMs: options.jitter,
          asymmetry: options.asymmetry,
          skewMs: options.skew,
          driftPpm: options.drift,
        };
        const simulator = await startExchangeSimulator({
          ports: { bybit: options.bybitPort, bingx: options.bingxPort, control: options.controlPort },
          knobs,
          seed: options.seed,
        });
        onEnd(() => simulator.close());
        const { bybitUrl, bingxUrl, controlUrl } = simulator;
        const account = demoAccount(1);
        out.data({ bybitUrl, bingxUrl, controlUrl, demoAccount: account }, () =>
          [
            `Bybit    ${bybitUrl}`,
            `BingX    ${bingxUrl}`,
            `control  ${controlUrl}`,
            `account  ${account.apiKey} / ${account.apiSecret} (made up; good here only)`,
          ].join('\n'),
        );
        out.message('running until Ctrl-C');
        await untilStopped();
      }),
    );
}

function number(value: string): number {
  const parsed = Number(value);
  if (value.trim() === '' || !Number.isFinite(parsed)) throw new InvalidArgumentError('Give a number.');
  return parsed;
}
