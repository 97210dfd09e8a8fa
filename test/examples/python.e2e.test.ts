/** The example in Python: the API as docs/api.md tells it, without a line of ours in between. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect } from '@jest/globals';
import fc from 'fast-check';
import { linkOf, offsetOf } from '../../src/client/own-clock.js';
import { givenServer } from '../http/support.js';
import { itWhen } from '../support/it-when.js';
import { ACCOUNT, givenWorld, verifications } from '../support/world.js';

const run = promisify(execFile);
const python = await run('python3', ['--version']).then(
  () => true,
  () => false,
);
const itWithPython = itWhen(python, 'python3 is not installed');

itWithPython('signs right at the first try, by a clock that nobody had measured', async () => {
  const world = await givenWorld({ knobs: { skewMs: 40_000 } });
  const { server, state } = await givenServer({ world, process: { lookupDeadlineMs: 10_000 } });
  const url = await server.listen({ host: '127.0.0.1', port: 0 });
  const projector = await state.projector();
  const projecting = setInterval(() => void projector.catchUp(), 50);

  const env = {
    ...process.env,
    CONNECTOR_STATE_URL: url,
    CONNECTOR_STATE_KEY: 'writer',
    BYBIT_API_KEY: ACCOUNT.apiKey,
    BYBIT_API_SECRET: ACCOUNT.apiSecret,
    BYBIT_BASE_URL: world.simulator.bybitUrl,
  };
  try {
    const { stdout, stderr } = await run('python3', ['examples/python/sign.py'], { env });
    expect([JSON.parse(stdout), stderr]).toEqual([{ retCode: 0, retMsg: expect.any(String) }, '']);
    expect(verifications(world, 'BYBIT')).toEqual(['0']);
  } finally {
    clearInterval(projecting);
    await projector.catchUp();
  }
});

itWithPython(
  'has the arithmetic of the client, whatever the way took, and never signs too early',
  async () => {
    const ms = (min: number, max: number) => fc.double({ min, max, noNaN: true });
    const cases = fc.sample(
      fc.record({
        trueLinkMs: ms(-1e6, 1e6),
        toMs: ms(0, 5_000),
        withinMs: ms(0, 100),
        backMs: ms(0, 5_000),
        boundMs: ms(0, 50),
        ageMs: ms(-1_000, 3_600_000),
        linkAgeMs: ms(0, 600_000),
        offsetMs: ms(-100_000, 100_000),
        uncertaintyMs: ms(0, 1_000),
        ratePpm: ms(-100, 100),
        rateBoundPpm: ms(0, 100),
      }),
      200,
    );
    const given = cases.map(each => {
      const sentMs = 1_000_000;
      const receivedMs = sentMs + each.toMs + each.withinMs + each.backMs;
      const reference = {
        clock: 'pg:1',
        receivedAtMs: sentMs + each.toMs + each.trueLinkMs,
        sentAtMs: sentMs + each.toMs + each.withinMs + each.trueLinkMs,
        uncertaintyMs: each.boundMs,
      };
      const { offsetMs, uncertaintyMs, ratePpm, rateBoundPpm } = each;
      const nowMs = receivedMs + each.linkAgeMs;
      const measuredAtMs = nowMs + each.trueLinkMs - each.ageMs;
      const state = { referenceClock: 'pg:1', offsetMs, uncertaintyMs, ratePpm, rateBoundPpm, measuredAtMs };
      return { reference, sentMs, receivedMs, state, nowMs };
    });
    const program = `
import json, sys
sys.path.insert(0, 'examples/python')
from sign import link_of, exchange_time, timestamp
for line in sys.stdin:
    c = json.loads(line)
    link = link_of(c['reference'], c['sentMs'], c['receivedMs'])
    print(json.dumps([exchange_time(c['state'], link, c['nowMs']), timestamp(c['state'], link, c['nowMs'])]))`;
    const told = run('python3', ['-B', '-c', program]);
    told.child.stdin?.end(given.map(each => JSON.stringify(each)).join('\n'));
    const answers = (await told).stdout
      .trim()
      .split('\n')
      .map(line => JSON.parse(line));

    expect(answers).toHaveLength(given.length);
    for (const [index, [[timeMs, boundMs], stamp]] of answers.entries()) {
      const { reference, sentMs, receivedMs, state, nowMs } = given[index] as (typeof given)[number];
      const link = linkOf(reference, sentMs, receivedMs);
      const own = offsetOf(state as never, 'pg:1', link, nowMs);
      expect(timeMs).toBeCloseTo(nowMs + (own?.offsetMs ?? Number.NaN), 3);
      expect(boundMs).toBeCloseTo(own?.uncertaintyMs ?? Number.NaN, 3);
      if (stamp !== null) expect(stamp).toBeLessThanOrEqual(timeMs - boundMs + 1_000);
      expect(stamp === null).toBe(boundMs + Math.max(0, boundMs - 1_000) > 2_500);
    }
  },
);
