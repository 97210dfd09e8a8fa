/**
 * Rows in the form that whoever asks can read on: JSON, CSV, NDJSON, and the text files of tools that judge clocks.
 *
 *  - CSV (RFC 4180): what a spreadsheet would take for a formula is led by an apostrophe.
 *  - `stable32`: phase data for Stable32 and allantools, a line a point, `MJD phase`, the phase in seconds, comments with `#`
 *    (W. Riley, "Stable32 User Manual", data files).
 *  - `chrony`: lines of chrony's `tracking` log (chrony.conf, `log tracking`), so that what reads one reads the other:
 *    date, time, name, stratum, frequency (ppm), skew (ppm), offset (s), leap, sources, standard deviation, remaining
 *    correction, root delay, root dispersion and largest error (s). Offset has chrony's sign: positive where the local
 *    (reference) clock is slow of the exchange's.
 */
import type { FastifyReply } from 'fastify';
import { csvCell } from '../base/visible.js';

export type Row = object;
type Value = string | number | null | undefined;

export const FORMATS = ['json', 'csv', 'ndjson'] as const;
export const DRIFT_FORMATS = ['json', 'csv', 'ndjson', 'chrony', 'stable32'] as const;

const CSV_TYPE = 'text/csv; charset=utf-8; header=present';
const NDJSON_TYPE = 'application/x-ndjson';
const TEXT_TYPE = 'text/plain; charset=utf-8';

/** An answer past the route's JSON schema. */
function sendText(reply: FastifyReply, type: string, text: string, name: string): FastifyReply {
  return reply
    .header('content-type', type)
    .header('content-disposition', `attachment; filename="${name}"`)
    .serializer((payload: unknown) => payload as string)
    .send(text);
}

/** Text that was made already, and is not made anew. */
export const sendJson = (reply: FastifyReply, text: string): never =>
  // What a route answers is typed by its schema.
  reply.type('application/json; charset=utf-8').send(text) as never;

export const sendCsv = (
  reply: FastifyReply,
  rows: readonly Row[],
  columns: readonly string[],
  name: string,
) => sendText(reply, CSV_TYPE, csvOf(rows, columns), `${name}.csv`);

export const sendNdjson = (reply: FastifyReply, rows: readonly Row[], name: string) =>
  sendText(reply, NDJSON_TYPE, rows.map(row => `${JSON.stringify(row)}\n`).join(''), `${name}.ndjson`);

/** Lines end as RFC 4180 has it. */
export function csvOf(rows: readonly Row[], columns: readonly string[]): string {
  const lines = rows.map(row =>
    columns.map(column => csvCell((row as Record<string, Value>)[column])).join(','),
  );
  return [columns.join(','), ...lines].map(line => `${line}\r\n`).join('');
}

export const sendPlain = (reply: FastifyReply, text: string, name: string) =>
  sendText(reply, TEXT_TYPE, text, name);

export interface ClockPoint {
  readonly atMs: number;
  readonly name: string;
  /** Exchange minus reference. */
  readonly offsetMs: number;
  readonly uncertaintyMs: number;
  readonly ratePpm: number | null;
  readonly roundTripMs: number;
}

const UNIX_EPOCH_MJD = 40_587;
const DAY_MS = 86_400_000;

/** Points of one clock. */
export function stable32Of(points: readonly ClockPoint[], title: string): string {
  const head = [`# ${title}`, '# MJD  phase (exchange minus reference, s)'];
  const lines = points.map(
    ({ atMs, offsetMs }) =>
      `${(UNIX_EPOCH_MJD + atMs / DAY_MS).toFixed(8)}  ${(offsetMs / 1e3).toExponential(9)}`,
  );
  return [...head, ...lines].map(line => `${line}\n`).join('');
}

export function chronyOf(points: readonly ClockPoint[]): string {
  const rule = '='.repeat(154);
  const head = [
    rule,
    '   Date (UTC) Time     IP Address   St   Freq ppm   Skew ppm     Offset L Co  Offset sd Rem. corr. Root delay Root disp. Max. error',
    rule,
  ];
  const lines = points.map(({ atMs, name, offsetMs, uncertaintyMs, ratePpm, roundTripMs }) => {
    const [date, time] = new Date(atMs).toISOString().replace('Z', '').split('T') as [string, string];
    const seconds = (ms: number) => (ms / 1e3).toExponential(3).padStart(10);
    return [
      date,
      time.slice(0, 8),
      name.replaceAll(/\s/g, '-').padEnd(15),
      ' 1',
      (ratePpm ?? 0).toFixed(3).padStart(10),
      '0.000'.padStart(10),
      seconds(offsetMs),
      'N',
      ' 1',
      seconds(uncertaintyMs),
      seconds(0),
      seconds(roundTripMs),
      seconds(uncertaintyMs),
      seconds(uncertaintyMs),
    ].join(' ');
  });
  return [...head, ...lines].map(line => `${line}\n`).join('');
}
