/** Every connector: found by user or credential, shown a screenful at a time however many there are. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { Link } from 'wouter-preact';
import { connectors } from '../api/calls.js';
import { resets } from '../api/feed.js';
import type { ConnectorRow } from '../api/types.js';
import { ExchangeChoice, Select } from '../parts/choices.js';
import { Id } from '../parts/id.js';
import { Empty, Loaded } from '../parts/states.js';
import { Badge } from '../parts/tile.js';
import { type Rows, useRows } from '../parts/virtual-rows.js';
import { type Filters, linkTo, useFilters } from '../state/address.js';
import { useNow } from '../state/live.js';
import { useResource } from '../state/resource.js';
import { sessionNumber } from '../state/session.js';
import { ago, count, plusMinus, span } from '../state/words.js';

const PAGE = 200;
const TYPING_PAUSE_MS = 250;
const STATUSES = [
  ['', 'all'],
  ['valid', 'valid'],
  ['expired', 'ended'],
  ['invalid', 'condemned'],
] as const;

const ALL = JSON.stringify(['', '', '', '', '']);

export default function Connectors() {
  const [filters, change] = useFilters();
  const { user = '', credential = '', exchange = '', environment = '', status = '' } = filters;
  const query = { user, credential, exchange, environment, status, limit: PAGE };
  const key = JSON.stringify([user, credential, exchange, environment, status]);
  // Not with each event: rows would move under who reads them.
  const first = useResource(key, signal => connectors(query, signal), resets.value);
  return (
    <>
      <form class="filters" role="search" onSubmit={event => event.preventDefault()}>
        <Search label="User begins with" name="user" filters={filters} change={change} />
        <Search label="Credential begins with" name="credential" filters={filters} change={change} />
        <ExchangeChoice filters={filters} change={change} />
        <Select
          label="State"
          value={status}
          options={STATUSES}
          onChange={value => change({ status: value })}
        />
      </form>
      <Loaded
        of={first}
        isEmpty={page => page.connectors.length === 0}
        empty={
          <Empty title={key === ALL ? 'No connector has a state yet' : 'No connector fits'}>
            {key === ALL
              ? 'The first that initialises is the first here.'
              : 'Ids are compared letter by letter, from their beginning.'}
          </Empty>
        }
      >
        {page => (
          <List
            key={`${sessionNumber.value} ${first.loadedAtMs} ${key}`}
            start={page.connectors}
            next={page.next}
            more={cursor => connectors({ ...query, cursor })}
          />
        )}
      </Loaded>
    </>
  );
}

interface SearchProps {
  readonly label: string;
  readonly name: 'user' | 'credential';
  readonly filters: Filters;
  readonly change: (to: Filters) => void;
}

function Search({ label, name, filters, change }: SearchProps) {
  const timer = useRef<ReturnType<typeof setTimeout>>();
  useEffect(() => () => clearTimeout(timer.current), []);
  return (
    <label class="choice grow">
      <span>{label}</span>
      <input
        type="search"
        value={filters[name] ?? ''}
        spellcheck={false}
        autocomplete="off"
        onInput={event => {
          const text = event.currentTarget.value;
          clearTimeout(timer.current);
          timer.current = setTimeout(() => change({ [name]: text }), TYPING_PAUSE_MS);
        }}
      />
    </label>
  );
}

interface ListProps {
  readonly start: readonly ConnectorRow[];
  readonly next: string | undefined;
  readonly more: (
    cursor: string,
  ) => Promise<{ readonly connectors: readonly ConnectorRow[]; readonly next?: string | undefined }>;
}

function List({ start, next, more }: ListProps) {
  const [loaded, setLoaded] = useState({ rows: start, next });
  const [problem, setProblem] = useState('');
  const isLoading = useRef(false);
  const rows = useRows(loaded.rows.length);
  const last = rows.items.at(-1)?.index ?? 0;
  const load = () => {
    if (loaded.next === undefined || isLoading.current) return;
    isLoading.current = true;
    setProblem('');
    more(loaded.next)
      .then(
        page => setLoaded(before => ({ rows: [...before.rows, ...page.connectors], next: page.next })),
        (error: unknown) => setProblem(error instanceof Error ? error.message : String(error)),
      )
      .finally(() => {
        isLoading.current = false;
      });
  };
  useEffect(() => {
    if (last >= loaded.rows.length - PAGE / 2) load();
  }, [last, loaded.rows.length]);
  return (
    <>
      <p class="soft" role="status">
        {count(loaded.rows.length)} {loaded.rows.length === 1 ? 'connector' : 'connectors'}
        {loaded.next !== undefined && ', more when you scroll'}
      </p>
      <Table rows={rows} data={loaded.rows} isWhole={loaded.next === undefined} />
      {problem !== '' && (
        <p role="alert">
          The next were not loaded: {problem}{' '}
          <button type="button" onClick={load}>
            Try now
          </button>
        </p>
      )}
    </>
  );
}

const STATUS = {
  valid: ['good', 'valid'],
  expired: ['none', 'ended'],
  invalid: ['warn', 'condemned'],
} as const;

function Table({
  rows,
  data,
  isWhole,
}: {
  readonly rows: Rows;
  readonly data: readonly ConnectorRow[];
  readonly isWhole: boolean;
}) {
  const now = useNow(10_000);
  return (
    <div class="rows" ref={rows.frame} role="region" aria-label="Connectors" tabIndex={0}>
      <div role="table" aria-rowcount={isWhole ? data.length + 1 : -1} aria-label="Connectors">
        <div role="rowgroup" class="rows-head">
          <div role="row" aria-rowindex={1}>
            <span role="columnheader">User, credential</span>
            <span role="columnheader">Exchange</span>
            <span role="columnheader" class="num">
              Offset
            </span>
            <span role="columnheader">Measured, why</span>
            <span role="columnheader">Ends, of its TTL</span>
            <span role="columnheader" class="num">
              Hits
            </span>
            <span role="columnheader">State</span>
          </div>
        </div>
        <div role="rowgroup" class="rows-body" style={{ height: `${rows.height}px` }}>
          {rows.items.map(({ index, start }) => {
            const row = data[index];
            if (!row) return null;
            const [verdict, text] = STATUS[row.status];
            return (
              <div
                role="row"
                key={index}
                aria-rowindex={index + 2}
                style={{ transform: `translateY(${start}px)` }}
              >
                <span role="rowheader">
                  <Link href={linkTo('/connector', { user: row.userId, credential: row.credentialId })}>
                    <Id text={row.userId} /> <Id text={row.credentialId} soft />
                  </Link>
                </span>
                <span role="cell">
                  {row.exchange} {row.environment}
                  {row.scope !== 'default' && <span class="soft"> {row.scope}</span>}
                </span>
                <span role="cell" class="num">
                  {plusMinus(row.offsetMs, row.uncertaintyMs)}
                </span>
                <span role="cell">
                  {ago(row.measuredAtMs, now)} <span class="soft wide">{row.trigger}</span>
                </span>
                <span role="cell">
                  {ago(row.expiresAtMs, now)}{' '}
                  <span class="soft wide">of {span(row.expiresAtMs - row.measuredAtMs)}</span>
                </span>
                <span role="cell" class="num">
                  {count(row.hitCount)}
                  <span class="narrow"> hits</span>
                </span>
                <span role="cell">
                  <Badge verdict={verdict}>{text}</Badge>
                  {row.invalidReason !== null && <span class="soft"> {row.invalidReason}</span>}
                </span>
              </div>
            );
          })}
        </div>
      </div>
    </div>
  );
}
