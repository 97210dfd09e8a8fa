/**
 * A past for the dashboard to show: a week of two exchanges' clocks as three machines saw them, with a step, refusals late
 * and wrong, hits from every tier, and users whose names are markup, formulas and paths.
 *
 * It is written into the log as the store would have written it then: the store itself stamps what is recorded now.
 */
import type { ConnectorRef } from '../../src/events/connector.js';
import type { NewEvent } from '../../src/events/event.js';
import { seededRandom } from '../../src/exchanges/simulator/random.js';
import { pg } from '../../src/postgres/driver.js';
import { CLOCK_ID } from '../../src/read-model/lookup.js';
import { type DriftWorld, eventOf, measure } from '../support/drift-world.js';
import { authFailed, hit, id, invalidated, syncFailed, unreachable } from '../support/facts.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
export const DAYS = 7;

/** Ids that are something else to a page, a spreadsheet, a path or an eye. */
export const HOSTILE_USERS = [
  '<img src=x onerror="document.title=1">',
  '=HYPERLINK("http://evil","x")',
  '../../v1/stats?x=1#y',
  'abc\u202Ecba',
  'snow ☃ 𝒳 %2e%2e%2f',
] as const;

const person = (n: number): ConnectorRef => ({
  userId: HOSTILE_USERS[n] ?? `user-${String(n).padStart(3, '0')}`,
  credentialId: `${n % 2 === 0 ? 'bybit' : 'bingx'}-main`,
  exchange: n % 2 === 0 ? 'BYBIT' : 'BINGX',
  environment: 'MAINNET',
});
export const PEOPLE = 24;

/** @returns the time by the database's clock that the past ends at */
export async function writePast(databaseUrl: string): Promise<number> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const { rows } = await client.query<{ id: string; now: string }>(
      `SELECT ${CLOCK_ID} AS id, (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now`,
    );
    const nowMs = Number(rows[0]?.now);
    await insert(client, pastUntil(nowMs, rows[0]?.id as string));
    return nowMs;
  } finally {
    await client.end();
  }
}

function pastUntil(nowMs: number, referenceClock: string): NewEvent[] {
  const random = seededRandom(14);
  const fromMs = nowMs - DAYS * 24 * HOUR_MS;
  const stepAtMs = nowMs - 40 * HOUR_MS;
  const world = (
    seed: number,
    offsetMs: number,
    ratePpm: number,
    steps: DriftWorld['steps'],
  ): DriftWorld => ({
    fromMs,
    toMs: nowMs - 2 * MINUTE_MS,
    offsetMs,
    ratePpm,
    steps,
    seed,
    machines: [
      { host: 'fn-frankfurt/1', everyMs: 11 * MINUTE_MS, thereMs: 6, backMs: 8 },
      { host: 'fn-dublin/1', everyMs: 17 * MINUTE_MS, thereMs: 14, backMs: 12 },
      { host: 'fn-tokyo/1', everyMs: 29 * MINUTE_MS, thereMs: 55, backMs: 80 },
    ],
  });
  const worlds = [
    { world: world(1, 145, 0.35, [{ atMs: stepAtMs, byMs: 180 }]), exchange: 'BYBIT' as const },
    { world: world(2, -62, -0.2, []), exchange: 'BINGX' as const },
  ];
  const events: NewEvent[] = [];
  let n = 0;
  for (const { world: each, exchange } of worlds) {
    const people = Array.from({ length: PEOPLE }, (_, i) => person(i)).filter(p => p.exchange === exchange);
    for (const measured of measure(each)) {
      const who = people[Math.floor(random() * people.length)] as ConnectorRef;
      const trigger = random() < 0.85 ? 'passive' : 'expired';
      const source = trigger === 'passive' ? 'response' : 'time-endpoint';
      const event = eventOf(measured, { ...who, syncId: id(++n), referenceClock, trigger, source, ...TTL });
      events.push({ ...event, occurredAt: measured.atMs });
    }
    for (let hour = fromMs; hour < nowMs - HOUR_MS; hour += HOUR_MS) {
      const busy = 1.2 + Math.sin(((hour / HOUR_MS) % 24) / 3.8);
      for (const [tier, share] of [
        ['memory', 40],
        ['postgres', 25],
        ['exchange-clock', 6],
      ] as const) {
        const count = Math.max(1, Math.round(share * busy * (0.7 + random() * 0.6)));
        const who = people[Math.floor(random() * people.length)] as ConnectorRef;
        events.push(
          hit({
            ...who,
            tier,
            count,
            firstAt: hour,
            lastAt: hour + HOUR_MS / 2,
            occurredAt: hour + HOUR_MS / 2,
          }),
        );
      }
    }
  }
  events.push(...badDays(nowMs, stepAtMs, referenceClock));
  return events.sort((a, b) => a.occurredAt - b.occurredAt);
}

const TTL = {
  ttlPolicy: 'adaptive',
  ttlMs: 5 * HOUR_MS,
  ttlInputs: {
    safeShare: 0.5,
    toleranceMs: 2_000,
    uncertaintyMs: 13,
    rateBoundPpm: 50,
    unlimitedMs: 5.5 * HOUR_MS,
  },
} as const;

function badDays(nowMs: number, stepAtMs: number, referenceClock: string): NewEvent[] {
  const late = (agoMs: number, byMs: number, n: number): NewEvent => ({
    ...authFailed({ ...person(n), occurredAt: nowMs - agoMs }),
    type: 'ConnectorRequestLate',
    data: {
      ...person(n),
      exchangeCode: '10002',
      timestampMs: nowMs - agoMs - byMs,
      recvWindowMs: 5_000,
      lateAtLeastMs: byMs,
      lateAtMostMs: byMs + 40,
      uncertaintyMs: 14,
    },
  });
  return [
    authFailed({
      ...person(2),
      occurredAt: stepAtMs + 4 * MINUTE_MS,
      offsetMs: 145,
      offsetAgeMs: HOUR_MS,
      referenceClock,
    }),
    invalidated({
      ...person(2),
      occurredAt: stepAtMs + 4 * MINUTE_MS + 5,
      condemnedSyncId: id(1),
      condemnedMeasuredAt: stepAtMs - HOUR_MS,
      referenceClock,
    }),
    late(75 * HOUR_MS, 5_900, 4),
    late(20 * HOUR_MS, 6_400, 6),
    late(19.8 * HOUR_MS, 7_100, 0),
    syncFailed({ ...person(5), occurredAt: nowMs - 9 * HOUR_MS }),
    unreachable({ ...person(9), occurredAt: nowMs - 30 * HOUR_MS }),
    authFailed({
      ...person(7),
      occurredAt: nowMs - 25 * MINUTE_MS,
      exchangeCode: '100413',
      failureClass: 'credentials',
    }),
  ];
}

async function insert(client: InstanceType<typeof pg.Client>, events: readonly NewEvent[]): Promise<void> {
  const versions = new Map<string, number>();
  const rows = events.map(event => {
    const version = (versions.get(event.stream) ?? 0) + 1;
    versions.set(event.stream, version);
    return { ...event, version };
  });
  await client.query(
    `INSERT INTO connector_event (position, stream, version, event_id, type, schema_version, data, occurred_at, recorded_at, host, forgettable)
     SELECT nextval('connector_event_position'), e.stream, e.version, e.id, e.type, s.version, e.data,
            to_timestamp(e."occurredAt" / 1000), to_timestamp(e."occurredAt" / 1000), e.host, starts_with(e.stream, 'connector_state_hits-')
       FROM jsonb_to_recordset($1::jsonb) AS e (stream text, version bigint, id uuid, type text, data jsonb, "occurredAt" float8, host text)
       JOIN jsonb_each_text($2::jsonb) AS v ON v.key = e.type
      CROSS JOIN LATERAL (SELECT v.value::integer AS version) s
      ORDER BY e."occurredAt"`,
    [JSON.stringify(rows), JSON.stringify((await import('../../src/events/catalogue.js')).SCHEMA_VERSIONS)],
  );
  await client.query(
    `INSERT INTO connector_stream (stream, version) SELECT key, value::bigint FROM jsonb_each_text($1::jsonb)`,
    [JSON.stringify(Object.fromEntries(versions))],
  );
}
