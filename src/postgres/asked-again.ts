/**
 * A prepared statement that is asked again, without its columns being described again.
 *
 * With every execution `pg` has the server describe the answer's columns, and makes an object and a parser of each: for a
 * lookup's 34 that is a tenth of all it costs this process, as much again for the server, and four fifths of the bytes of an
 * answer. What a prepared statement answers cannot change: the server refuses to execute it when it would (0A000). So what
 * was said of its columns is kept with the connection, and only the rows are asked for.
 */
import type { ClientBase, QueryArrayResult } from 'pg';
import { pg } from './driver.js';

export interface ArrayQuery {
  /** `undefined`: it is not prepared, and always described. */
  readonly name: string | undefined;
  readonly text: string;
  readonly values: unknown[];
}

/** What `pg` has and does not declare. */
interface Connection {
  describe(what: object): void;
}
interface Columns {
  fields: unknown;
  _parsers: unknown;
}
interface DriverQuery {
  name: string;
  _result: Columns;
  _accumulateRows: boolean;
  hasBeenParsed(connection: Connection): boolean;
  prepare(connection: Connection): void;
  handleRowDescription(message: unknown): void;
}
const DriverQuery = pg.Query as unknown as new (
  config: object,
  callback: (error: Error | null, result: QueryArrayResult<unknown[]>) => void,
) => DriverQuery;

/** What is known of a connection's statements, by name; and that connection, but that it asks for no description. */
interface Known {
  readonly columns: Map<string, Columns>;
  readonly undescribed: Connection;
}
const knownOf = new WeakMap<Connection, Known>();

function know(connection: Connection): Known {
  const known = knownOf.get(connection) ?? {
    columns: new Map(),
    undescribed: Object.create(connection, { describe: { value: () => undefined } }),
  };
  knownOf.set(connection, known);
  return known;
}

class AskedAgain extends DriverQuery {
  #known: Known | undefined;

  override prepare(connection: Connection): void {
    this.#known = know(connection);
    const columns = this.#known.columns.get(this.name);
    if (columns === undefined || !this.hasBeenParsed(connection)) {
      super.prepare(connection);
      return;
    }
    this._result.fields = columns.fields;
    this._result._parsers = columns._parsers;
    this._accumulateRows = true;
    super.prepare(this.#known.undescribed);
  }

  override handleRowDescription(message: unknown): void {
    super.handleRowDescription(message);
    const { fields, _parsers } = this._result;
    this.#known?.columns.set(this.name, { fields, _parsers });
  }
}

/** Of a pool that may be the user's: its clients may be of another `pg`, or none of `pg` at all. */
export function askAgain(client: ClientBase, query: ArrayQuery): Promise<QueryArrayResult<unknown[]>> {
  const config = { ...query, rowMode: 'array' as const };
  if (query.name === undefined || !(client instanceof pg.Client)) return client.query<unknown[]>(config);
  return new Promise((resolve, reject) => {
    const asked = new AskedAgain(config, (error, result) => (error ? reject(error) : resolve(result)));
    client.query(asked as unknown as InstanceType<typeof pg.Query>);
  });
}
