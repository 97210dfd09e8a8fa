import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { InvalidInputError } from '../../base/errors.js';
import { loadOptional } from '../../base/optional-package.js';
import type { TracerLike } from '../../base/telemetry.js';
import { runSession, type Session } from '../session.js';

interface Options {
  readonly json?: boolean;
  readonly host: string;
  readonly port: number;
  readonly projector: boolean;
  readonly trace?: boolean;
  readonly rateLimit: number;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly authJwks?: string;
  readonly authIssuer?: string;
  readonly authAudience?: string;
}

const DEFAULT_PORT = 7077;
const LINGER_MS = 100;

export function addServe(program: Command): void {
  program
    .command('serve')
    .description('run the HTTP API and the dashboard, with the projector inside, until Ctrl-C')
    .addOption(new Option('--host <name>', 'address to listen on').default('127.0.0.1').env('HOST'))
    .addOption(
      new Option('--port <number>', 'port to listen on; 0: any that is free')
        .default(DEFAULT_PORT)
        .env('PORT')
        .argParser(portOf),
    )
    .option('--no-projector', 'leave projecting to `connector-state project` processes')
    .option('--trace', 'make spans for the OpenTelemetry SDK that was loaded with --import')
    .addOption(
      new Option('--rate-limit <requests>', 'requests a second of one caller')
        .default(5_000)
        .env('RATE_LIMIT')
        .argParser(rateOf),
    )
    .option('--tls-cert <file>', 'certificate chain (PEM); with --tls-key: serve HTTPS')
    .option('--tls-key <file>', 'its private key (PEM)')
    .addOption(
      new Option('--auth-jwks <url|file>', "keys of the issuer of callers' JSON Web Tokens").env('AUTH_JWKS'),
    )
    .addOption(new Option('--auth-issuer <name>', 'the issuer, as in the tokens').env('AUTH_ISSUER'))
    .addOption(new Option('--auth-audience <name>', 'who the tokens are made for').env('AUTH_AUDIENCE'))
    .addHelpText(
      'after',
      '\nThe dashboard is at /. The API is described at /v1/openapi.json, and to look through at /docs. Beyond this machine (--host) it asks for\nauthentication, and does not start without.\n\nExamples:\n  connector-state serve\n  DATABASE_URL=postgres://… connector-state serve --host 0.0.0.0 --port 8080',
    )
    .action((options: Options) => runSession(options.json === true, session => serve(session, options)));
}

function portOf(value: string): number {
  if (/^\d{1,5}$/.test(value) && Number(value) <= 65_535) return Number(value);
  throw new InvalidArgumentError('It must be a whole number from 0 to 65535.');
}

function rateOf(value: string): number {
  if (/^\d{1,7}$/.test(value) && Number(value) > 0) return Number(value);
  throw new InvalidArgumentError('It must be a whole number from 1 to 9999999.');
}

async function serve({ open, out, untilStopped, onEnd }: Session, options: Options): Promise<void> {
  const { openService } = await loadOptional(
    'connector-state serve',
    () => import('../../http/open-service.js'),
  );
  // The last that is released: connections into a database that stands still would keep the process alive.
  onEnd(() => {
    setTimeout(() => process.exit(), LINGER_MS).unref();
  });
  const tls = tlsOf(options);
  // A process that projects need not also do so after each write.
  const tracer = options.trace ? await tracerOfProcess() : undefined;
  const state = await open({ projection: 'worker', tracer }, { mayCreate: true });
  const service = await openService({
    state,
    ...options,
    tls,
    jwt: jwtOf(options),
    tracer,
    limits: { requestsPerSecond: options.rateLimit },
  });
  onEnd(() => service.close());
  out.message(`listening on ${service.url}: the dashboard, and the API, described at ${service.url}/docs`);
  if (!service.authenticates) {
    out.message(
      'without authentication: whoever is on this machine may do everything. `connector-state keys create` makes a key.',
    );
  }
  if (out.json) out.data({ url: service.url, authenticates: service.authenticates }, () => '');
  await Promise.race([untilStopped(), service.failed]);
}

/** Of whatever SDK the process was started with; without one its spans go nowhere. */
async function tracerOfProcess(): Promise<TracerLike> {
  const { trace } = await loadOptional('traces of the service', () => import('@opentelemetry/api'));
  return trace.getTracer('connector-state');
}

function tlsOf({ tlsCert, tlsKey }: Options): { cert: Buffer; key: Buffer } | undefined {
  if (tlsCert === undefined && tlsKey === undefined) return undefined;
  if (tlsCert === undefined || tlsKey === undefined) {
    throw new InvalidInputError('--tls-cert and --tls-key belong together: give both or neither.');
  }
  const tls = { cert: readPem('--tls-cert', tlsCert), key: readPem('--tls-key', tlsKey) };
  try {
    createSecureContext(tls);
  } catch (error) {
    // It says what is wrong and nothing of the key.
    throw new InvalidInputError(
      `--tls-cert and --tls-key are no PEM certificate and the key it was made for: ${(error as Error).message}`,
    );
  }
  return tls;
}

function readPem(option: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new InvalidInputError(`${option} cannot be read: ${(error as Error).message}`);
  }
}

function jwtOf({ authJwks, authIssuer, authAudience }: Options) {
  if (authJwks === undefined && authIssuer === undefined && authAudience === undefined) return undefined;
  if (authJwks === undefined || authIssuer === undefined || authAudience === undefined) {
    throw new InvalidInputError(
      '--auth-jwks, --auth-issuer and --auth-audience belong together: a token of another issuer, or made for another service, would be taken otherwise',
    );
  }
  return { jwks: authJwks, issuer: authIssuer, audience: authAudience };
}
