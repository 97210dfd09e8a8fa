/**
 * The embedded server is reached as it was started, whatever the environment says of another one.
 *
 * `pg` takes what a URL leaves out from the variables that libpq knows. A shell that is set up for a production database
 * (`PGSSLMODE=require`, `PGOPTIONS=-c search_path=…`) would then keep a program from its own server, which has neither
 * TLS nor that schema. What such a variable would set is therefore named in the URL. Only then: a plain URL is one that
 * every client understands.
 */

/** By the variable: the parameter, and the value that is as good as none (`pg` takes an empty one for left out). */
const PARAMETERS: Readonly<Record<string, readonly [parameter: string, none: string]>> = {
  PGSSLMODE: ['sslmode', 'disable'],
  PGSSLNEGOTIATION: ['sslnegotiation', 'postgres'],
  PGOPTIONS: ['options', ' '],
  PGREPLICATION: ['replication', 'false'],
  PGCLIENT_ENCODING: ['client_encoding', 'UTF8'],
};

export function ownParameters(env: NodeJS.ProcessEnv = process.env): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(PARAMETERS).flatMap(([variable, parameter]) => (env[variable] ? [parameter] : [])),
  );
}

/** The same as the query of a URL; empty where nothing is set. */
export function ownQuery(env: NodeJS.ProcessEnv = process.env): string {
  const query = Object.entries(ownParameters(env)).map(
    ([name, value]) => `${name}=${encodeURIComponent(value)}`,
  );
  return query.length === 0 ? '' : `?${query.join('&')}`;
}
