/**
 * A request to end the statement that a connection is busy with, and the question whether it still is.
 *
 * The protocol has it on a connection of its own, which carries the key of the one that is meant and nothing else:
 * no login, no session, closed by the server once the signal is sent. A pooler passes it on. TLS where the
 * connection that is meant has it, for some servers listen to nothing else.
 */
import type { Duplex } from 'node:stream';
import type { Client, ClientBase, ClientConfig } from 'pg';
import { pg } from './driver.js';

/** What `pg` keeps of a connection and does not declare. */
export interface DriverClient extends ClientBase {
  readonly connection: DriverConnection;
  readonly connectionParameters: object;
  readonly host: string;
  readonly port: number;
  readonly processID: number | null;
  readonly secretKey: number | Buffer | null;
  readonly readyForQuery: boolean;
  readonly _queryable: boolean;
  readonly _ended: boolean;
  ref(): void;
}

interface DriverConnection {
  readonly ssl: unknown;
  readonly stream: Duplex & { readonly bytesRead: number };
  connect(port: number | string, host?: string): void;
  requestSsl(): void;
  cancel(processId: number, secretKey: unknown): void;
  on(event: 'connect' | 'sslconnect' | 'end' | 'error', listener: () => void): void;
}

/**
 * Resolves when the server has closed the connection that asked, or would not take it, or `timeoutMs` is over. The
 * statement then ends soon, or had ended before; only its own connection tells.
 */
export function requestCancel(client: DriverClient, timeoutMs: number): Promise<void> {
  const { processID, secretKey, host, port } = client;
  if (processID === null || secretKey === null) return Promise.resolve();
  return new Promise(resolve => {
    const { connection } = new pg.Client(client.connectionParameters) as unknown as DriverClient;
    const timer = setTimeout(end, timeoutMs);
    function end() {
      clearTimeout(timer);
      connection.stream.destroy();
      resolve();
    }
    const ask = () => connection.cancel(processID as number, secretKey);
    connection.on('connect', () => (connection.ssl ? connection.requestSsl() : ask()));
    connection.on('sslconnect', ask);
    connection.on('end', end);
    connection.on('error', end);
    if (host.startsWith('/')) connection.connect(`${host}/.s.PGSQL.${port}`);
    else connection.connect(port, host);
  });
}

/**
 * Asks the server, over a connection of its own, whether it still works for `client`. No when it does not know it: the
 * server was replaced behind its address, or is a pooler, which has its own bounds. Nor while it waits for the rest of what
 * `client` had to say, over a link that stalled: who reads from a connection notices its end.
 *
 * @returns `undefined` when it does not answer within `timeoutMs`
 */
export const isAtWork = (client: DriverClient, timeoutMs: number): Promise<boolean | undefined> =>
  askBeside(client, timeoutMs, async probe => {
    const { rowCount } = await probe.query(`SELECT FROM pg_stat_activity WHERE pid = $1 AND ${AT_WORK}`, [
      client.processID,
    ]);
    return rowCount === 1;
  });

/** Of a row of `pg_stat_activity`. */
export const AT_WORK = `state IS DISTINCT FROM 'idle' AND wait_event IS DISTINCT FROM 'ClientRead'`;

/**
 * Over a connection of its own, to where `client` is connected.
 *
 * @returns `undefined` when nobody answers within `timeoutMs`, or the answer is no
 */
export async function askBeside<T>(
  client: DriverClient,
  timeoutMs: number,
  ask: (probe: Client) => Promise<T>,
): Promise<T | undefined> {
  const probe = new pg.Client({
    ...client.connectionParameters,
    password: (client as unknown as { password: string }).password,
    connectionTimeoutMillis: timeoutMs,
    query_timeout: timeoutMs,
  });
  probe.on('error', () => undefined);
  try {
    await probe.connect();
    return await ask(probe);
  } catch {
    return undefined;
  } finally {
    (probe as unknown as DriverClient).connection.stream.destroy();
  }
}

/** Whether a server, or a pooler that has one, says anything at all, be it no. */
export async function hearsFrom(config: ClientConfig, timeoutMs: number): Promise<boolean> {
  let client: Client;
  try {
    client = new pg.Client({ ...config, password: config.password, query_timeout: timeoutMs });
  } catch {
    // It opens the certificate files that the URL names, and one is not there: nobody can be asked.
    return false;
  }
  client.on('error', () => undefined);
  const timer = setTimeout(() => (client as unknown as DriverClient).connection.stream.destroy(), timeoutMs);
  try {
    await client.connect();
    await client.query('SELECT');
    return true;
  } catch (error) {
    return /^(?=.*\d)[0-9A-Z]{5}$/.test(String((error as { code?: unknown }).code));
  } finally {
    clearTimeout(timer);
    (client as unknown as DriverClient).connection.stream.destroy();
  }
}
