/**
 * What `esdb://user:password@host:2113?tlsCAFile=/ca.pem` says, checked before anything is contacted.
 *
 * Parsed here and not by the client's package, which drops credentials when TLS is off, ignores what it does not
 * know, and prints the whole string, password included, to say so. A problem names the part and the remedy,
 * never a value that could be a secret.
 */
import { readFileSync } from 'node:fs';
import { InvalidSettingsError } from '../../base/errors.js';

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

export type NodePreference = 'leader' | 'follower' | 'readOnlyReplica' | 'random';

export interface ConnectionSettings {
  /** The node, or where to ask for the nodes of a cluster. */
  readonly seeds: readonly Endpoint[];
  /** Whether the node to talk to is found by asking the seeds. */
  readonly isCluster: boolean;
  /** PEM texts; `undefined`: plain text. */
  readonly tls:
    | { readonly authority?: Buffer; readonly certificate?: Buffer; readonly key?: Buffer }
    | undefined;
  readonly credentials: { readonly user: string; readonly password: string } | undefined;
  readonly nodePreference: NodePreference;
  readonly gossipTimeoutMs: number;
  readonly keepAliveIntervalMs: number;
  readonly keepAliveTimeoutMs: number;
  readonly callTimeoutMs: number | undefined;
  readonly connectionName: string | undefined;
}

const EXAMPLE = 'esdb://user:password@host:2113?tlsCAFile=/path/ca.pem';
const DEFAULT_PORT = 2113;
const PREFERENCES: readonly NodePreference[] = ['leader', 'follower', 'readOnlyReplica', 'random'];
/** Options of the other clients that mean nothing here, and are right as they are. */
const WITHOUT_EFFECT = ['maxdiscoverattempts', 'discoveryinterval'];

/** @throws InvalidSettingsError that lists every problem */
export function parseConnectionString(text: string): ConnectionSettings {
  const match = /^esdb(\+discover)?:\/\/(?:(.*)@)?([^/?@]+)\/?(?:\?(.*))?$/s.exec(text.trim());
  if (!match) throw new InvalidSettingsError([`the event store's URL must look like ${EXAMPLE}`]);
  const [, discover, userInfo, hosts = '', query = ''] = match;
  const problems: string[] = [];
  const seeds = hosts.split(',').map(host => parseHost(host, problems));
  const credentials = userInfo === undefined ? undefined : parseUserInfo(userInfo, problems);
  const options = new Options(query, problems);

  const usesTls = options.flag('tls', true);
  const [authority, certificate, key] = [
    options.file('tlsCAFile'),
    options.file('userCertFile'),
    options.file('userKeyFile'),
  ];
  if (!usesTls && credentials) {
    problems.push(
      'tls=false with a user and password: they would cross the network readable, and the server takes none without TLS; remove tls=false, or the user and password for a server that runs insecurely',
    );
  }
  if (!usesTls && (authority || certificate || key)) {
    problems.push('tls=false with certificate files: remove tls=false, or the files');
  }
  if ((certificate === undefined) !== (key === undefined)) {
    problems.push('userCertFile and userKeyFile belong together: give both or none');
  }
  if (!options.flag('tlsVerifyCert', true)) {
    problems.push(
      'tlsVerifyCert=false is not supported: give the file of the authority that signed the certificate as tlsCAFile',
    );
  }
  if (!options.flag('throwOnAppendFailure', true)) {
    problems.push('throwOnAppendFailure=false is not supported: remove it');
  }
  const settings: ConnectionSettings = {
    seeds,
    isCluster: discover !== undefined || seeds.length > 1,
    tls: usesTls
      ? { ...(authority && { authority }), ...(certificate && { certificate }), ...(key && { key }) }
      : undefined,
    credentials,
    nodePreference: options.choice('nodePreference', 'leader', PREFERENCES),
    gossipTimeoutMs: (options.integer('gossipTimeout', 1, 3_600) ?? 5) * 1_000,
    keepAliveIntervalMs: options.integer('keepAliveInterval', -1, 86_400_000) ?? 10_000,
    keepAliveTimeoutMs: options.integer('keepAliveTimeout', -1, 86_400_000) ?? 10_000,
    callTimeoutMs: options.integer('defaultDeadline', 1, 86_400_000),
    connectionName: options.text('connectionName'),
  };
  options.refuseUnknown();
  if (problems.length > 0) {
    throw new InvalidSettingsError(problems.map(problem => `the event store's URL: ${problem}`));
  }
  return settings;
}

function parseHost(text: string, problems: string[]): Endpoint {
  const [, host = '', port] = /^([^:]+)(?::(\d{1,5}))?$/.exec(text.trim()) ?? [];
  const number = port === undefined ? DEFAULT_PORT : Number(port);
  if (host === '' || number < 1 || number > 65_535) {
    problems.push('a host must be a name or an IPv4 address, with a port from 1 to 65535 behind a colon');
  }
  return { host, port: number };
}

function parseUserInfo(text: string, problems: string[]): { user: string; password: string } | undefined {
  const colon = text.indexOf(':');
  const user = decode(text.slice(0, Math.max(colon, 0)));
  const password = decode(text.slice(colon + 1));
  if (user && password) return { user, password };
  problems.push('what stands before @ must be user:password, percent-encoded where they hold : / ? # or %');
  return undefined;
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/** The part behind the question mark. Names are matched as the clients do: `tlsCaFile` and `tls_ca_file` too. */
class Options {
  readonly #values = new Map<string, { name: string; value: string }>();
  readonly #problems: string[];

  constructor(query: string, problems: string[]) {
    this.#problems = problems;
    for (const pair of query.split('&').filter(Boolean)) {
      const [name = '', ...rest] = pair.split('=');
      this.#values.set(flat(name), { name, value: decode(rest.join('=')) ?? '' });
    }
  }

  text(name: string): string | undefined {
    const entry = this.#values.get(flat(name));
    this.#values.delete(flat(name));
    if (entry?.value === '') this.#problems.push(`${name} must have a value`);
    return entry?.value;
  }

  flag(name: string, fallback: boolean): boolean {
    return this.choice(name, String(fallback), ['true', 'false']) === 'true';
  }

  choice<T extends string>(name: string, fallback: T, allowed: readonly T[]): T {
    const value = this.text(name);
    if (value === undefined) return fallback;
    const found = allowed.find(option => flat(option) === flat(value));
    if (!found) this.#problems.push(`${name} must be one of ${allowed.join(', ')}`);
    return found ?? fallback;
  }

  integer(name: string, min: number, max: number): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    const number = Number(value);
    if (Number.isInteger(number) && number >= min && number <= max) return number;
    this.#problems.push(`${name} must be a whole number from ${min} to ${max}`);
    return undefined;
  }

  file(name: string): Buffer | undefined {
    const path = this.text(name);
    if (!path) return undefined;
    try {
      return readFileSync(path);
    } catch (error) {
      this.#problems.push(`${name}: cannot read ${path} (${(error as NodeJS.ErrnoException).code})`);
      return undefined;
    }
  }

  refuseUnknown(): void {
    for (const [key, { name }] of this.#values) {
      if (!WITHOUT_EFFECT.includes(key))
        this.#problems.push(`unknown option ${JSON.stringify(name)}: remove it`);
    }
  }
}

const flat = (text: string) => text.trim().toLowerCase().replace(/[_-]/g, '');
