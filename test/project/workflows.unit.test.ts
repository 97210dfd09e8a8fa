/**
 * The GitHub workflows, as far as can be said without GitHub: that they are of the shape it reads, and that what
 * they run and name is there.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { parse, parseDocument } from 'yaml';

interface Workflow {
  name: string;
  on: Record<string, unknown>;
  permissions: Record<string, string>;
  env?: Record<string, string>;
  jobs: Record<string, Job>;
}

interface Job {
  'runs-on': string;
  'timeout-minutes': number;
  services?: Record<string, { image: string; ports: string[]; options: string }>;
  steps: { uses?: string; run?: string; env?: Record<string, string>; with?: Record<string, string> }[];
}

const root = new URL('../../', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), 'utf8');
const files = readdirSync(new URL('.github/workflows/', root));
const workflows = Object.fromEntries(
  files.map(file => [file, parse(read(`.github/workflows/${file}`)) as Workflow]),
);
const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
const compose = parse(read('docker-compose.yml'), { merge: true }) as {
  services: Record<string, { image: string }>;
};

const jobsOf = (workflow: Workflow | undefined) => Object.values(workflow?.jobs ?? {});
const commandsOf = (workflow: Workflow | undefined) =>
  jobsOf(workflow)
    .flatMap(({ steps }) => steps.map(({ run = '' }) => run))
    .join('\n');

describe.each(files)('.github/workflows/%s', file => {
  const text = read(`.github/workflows/${file}`);
  const workflow = workflows[file] as Workflow;

  it('is YAML without errors, doubled keys included', () => {
    const { errors, warnings } = parseDocument(text, { strict: true, uniqueKeys: true });

    expect([...errors, ...warnings]).toEqual([]);
  });

  it('says when it runs, may only read, and ends by itself', () => {
    // What judges changes runs for each; what looks for the unknown runs by night.
    const when = Object.keys(workflow.on);
    expect(when).toEqual(
      expect.arrayContaining(when.includes('schedule') ? ['workflow_dispatch'] : ['push', 'pull_request']),
    );
    expect(workflow.permissions).toEqual({ contents: 'read' });
    for (const job of jobsOf(workflow)) {
      expect(job['runs-on']).toMatch(/^ubuntu-\d\d\.\d\d$/);
      expect(job['timeout-minutes']).toBeGreaterThan(0);
    }
  });

  it('has steps that either use an action of one version or run a command', () => {
    for (const step of jobsOf(workflow).flatMap(({ steps }) => steps)) {
      expect([step.uses, step.run].filter(Boolean)).toHaveLength(1);
      if (step.uses) expect(step.uses).toMatch(/^actions\/[\w-]+@v\d+$/);
    }
  });

  it('runs scripts and files that exist', () => {
    const commands = commandsOf(workflow);
    const called = [...commands.matchAll(/npm (?:run )?([\w:-]+)/g)].map(([, script = '']) => script);
    const paths = [
      ...`${commands} ${Object.values(workflow.env ?? {}).join(' ')}`.matchAll(
        /(?<![\w/])(?:test|\.ci)\/[\w./-]+/g,
      ),
    ].map(([path]) => path);
    const wanted = jobsOf(workflow).flatMap(({ steps }) =>
      steps.flatMap(step => step.with?.['node-version-file'] ?? []),
    );

    expect(called.filter(name => name !== 'ci' && !scripts[name])).toEqual([]);
    expect([...paths, ...wanted].filter(path => !existsSync(new URL(path, root)))).toEqual([]);
    expect(paths.length + called.length).toBeGreaterThan(0);
  });
});

describe('.github/workflows/ci.yml', () => {
  it('runs what a developer runs', () => {
    expect(commandsOf(workflows['ci.yml']).split('\n').filter(Boolean)).toEqual([
      'bash .ci/run',
      'npm ci',
      'npm run test:apps',
    ]);
  });
});

describe('.github/workflows/kurrentdb.yml', () => {
  const workflow = workflows['kurrentdb.yml'] as Workflow;

  it('holds a real server, in each job, to all that `npm run test:esdb` names', () => {
    for (const job of jobsOf(workflow)) {
      const runs = job.steps.filter(({ run }) => run?.includes('npm run test:esdb'));
      expect(runs.map(({ run }) => run)).toEqual([
        expect.stringMatching(/^npm run test:esdb -- ['"]esdb(\+discover)?:\/\//),
      ]);
    }
    const files = read('scripts/test-esdb.mjs').match(/test\/\S+\.test\.ts/g) ?? [];
    expect(files.filter(path => !existsSync(new URL(path, root)))).toEqual([]);
    const suites = files.map(path => read(path).match(/\bdescribeEventStore\w+(?=\()/)?.[0]);
    expect(suites).toEqual(expect.arrayContaining(['describeEventStoreContract', 'describeEventStoreModel']));
  });

  it('names the server by the variable that the harness reads', () => {
    const harness = read('test/event-store/eventstoredb-harness.ts');
    const [variable = ''] = /(?<=process\.env\.)\w*TEST_URL/.exec(harness) ?? [];

    expect(read('scripts/test-esdb.mjs')).toContain(`${variable}: url`);
  });

  it('runs the KurrentDB that docker-compose.yml does', () => {
    expect(workflow.jobs['single-node']?.services?.kurrentdb?.image).toBe(compose.services.kurrentdb?.image);
  });

  it('names only services that docker-compose.yml has', () => {
    const named = [
      ...commandsOf(workflow).matchAll(
        /docker compose --profile cluster (?:up --detach|exec -T|cp) ([\w-]+)/g,
      ),
    ].map(([, service = '']) => service);

    expect(named).toEqual(['projector-cluster', 'kurrentdb-1', 'projector-cluster']);
    for (const service of named) expect(Object.keys(compose.services)).toContain(service);
  });
});
