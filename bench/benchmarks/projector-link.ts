/**
 * The projector over a link (--rtt), beside another build: `BENCH_BEFORE=<its dist>`, in turns. Left out: alone.
 */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Benchmark } from '../benchmark.js';
import type { ProjectorLinkAnswer, ProjectorLinkTask } from '../programs/projector-link.js';
import type { Figure } from '../report.js';
import { runProgram } from '../run-program.js';
import { median } from '../statistics.js';

const OWN = new URL('../../', import.meta.url).href;

export const projectorLink: Benchmark = {
  name: 'projector-link',
  title: 'Projector over a link: the database is one link away (--rtt, milliseconds)',
  async run({ server, signal, isQuick, progress, rttMs }) {
    const before = process.env.BENCH_BEFORE && pathToFileURL(`${resolve(process.env.BENCH_BEFORE)}/`).href;
    const turns = isQuick ? 1 : 7;
    const turn = (dist: string, n: number) =>
      server.withEmptyDatabase(`link_${n}`, databaseUrl => {
        const task: ProjectorLinkTask = { dist, databaseUrl, rttMs, events: isQuick ? 2_000 : 20_000 };
        return runProgram<ProjectorLinkAnswer>('projector-link', task, { signal });
      });
    const now: ProjectorLinkAnswer[] = [];
    const then: ProjectorLinkAnswer[] = [];
    for (let n = 0; n < turns; n++) {
      progress(`turn ${n + 1} of ${turns}`);
      if (before) then.push(await turn(before, 2 * n));
      now.push(await turn(OWN, 2 * n + 1));
    }
    const figure = (name: string, of: (answer: ProjectorLinkAnswer) => number, atMost?: number): Figure => ({
      name,
      value: median(now.map(of)),
      unit: 'ms',
      ...(before && {
        peer: { name: 'build before', value: median(then.map(of)) },
        ratio: median(now.map((answer, n) => of(answer) / of(then[n] as ProjectorLinkAnswer))),
        limit: atMost === undefined ? undefined : { on: 'ratio', kind: 'at most', value: atMost },
      }),
    });
    return {
      figures: [
        figure('catching up', ({ catchUpMs }) => catchUpMs, 0.33),
        figure('…processor time of it', ({ catchUpCpuMs }) => catchUpCpuMs),
        figure('a page of one event', ({ pageMs }) => pageMs, 0.35),
      ],
      notes: [
        '20 000 events of 1 000 connectors from a log that is all there. Each build makes its own log and tables.',
      ],
    };
  },
};
