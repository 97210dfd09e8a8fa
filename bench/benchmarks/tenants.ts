/** What row-level security costs a lookup and an append: who binds no tenant, a service beside tenants, a tenant. */
import { pg } from '../../src/postgres/driver.js';
import { grantPrivileges } from '../../src/read-model/grants.js';
import { bindTenant } from '../../src/read-model/tenants.js';
import type { Bench, Benchmark } from '../benchmark.js';
import type { TenantLookupsAnswer, TenantLookupsTask } from '../programs/tenant-lookups.js';
import type { Figure, Finding } from '../report.js';
import { runProgram } from '../run-program.js';
import { connectorOf, fillClocks, fillStates } from '../states.js';

const SERVICE = 'bench_service';
const TENANT = 'bench_tenant';

export const tenants: Benchmark = {
  name: 'tenants',
  title: 'Row-level security: one lookup, and one append, by one caller among 100 000 connectors',
  run: bench =>
    bench.server.withDatabase('without', without =>
      bench.server.withDatabase('unbound', unbound =>
        bench.server.withDatabase('bound', bound => measure(bench, { without, unbound, bound })),
      ),
    ),
};

/** As it was before there were tenants: no policy, and no look at whose an event is. */
const WITHOUT = `
DO $without$
DECLARE p record;
BEGIN
  FOR p IN SELECT polrelid::regclass AS name FROM pg_policy WHERE polname = 'connector_tenant' LOOP
    EXECUTE format('DROP POLICY connector_tenant ON %s', p.name);
  END LOOP;
  EXECUTE regexp_replace(
    pg_get_functiondef((SELECT oid FROM pg_proc WHERE proname = 'connector_event_append_together')),
    'IF has_type_privilege.*?END IF;', '');
END
$without$`;

async function measure(
  { signal, isQuick, progress }: Bench,
  urls: Readonly<Record<'without' | 'unbound' | 'bound', string>>,
): Promise<Finding> {
  const sql = async (url: string, ...texts: readonly string[]) => {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    try {
      for (const text of texts) await client.query(text);
    } finally {
      await client.end();
    }
  };
  const as = (url: string, login: string) => {
    const its = new URL(url);
    its.username = login;
    its.password = 'bench';
    return its.href;
  };
  progress('making states');
  for (const url of Object.values(urls)) {
    await fillStates(url, isQuick ? 2_000 : 100_000);
    await fillClocks(url);
    signal.throwIfAborted();
  }
  const logins = [SERVICE, TENANT];
  await sql(urls.without, WITHOUT, ...logins.map(name => `CREATE ROLE ${name} LOGIN PASSWORD 'bench'`));
  try {
    for (const url of Object.values(urls)) await grantPrivileges(url, { workerRole: SERVICE });
    await bindTenant(urls.bound, { login: TENANT, userId: connectorOf(0).userId });
    progress('in turns');
    const task: TenantLookupsTask = {
      connections: [
        { name: 'without policies', url: as(urls.without, SERVICE) },
        { name: 'no tenant bound', url: as(urls.unbound, SERVICE) },
        { name: 'beside tenants, the service’s login', url: as(urls.bound, SERVICE) },
        { name: 'a tenant’s login', url: as(urls.bound, TENANT) },
      ],
      blocks: isQuick ? 3 : 41,
      callsPerBlock: isQuick ? 50 : 400,
    };
    const { connections } = await runProgram<TenantLookupsAnswer>('tenant-lookups', task, { signal });
    const [before, ...others] = connections;
    const figures = (what: 'lookup' | 'append'): Figure[] =>
      others.map(each => ({
        name: `${what}, ${each.name}`,
        value: each[`${what}Us`],
        unit: 'µs',
        peer: { name: 'without policies', value: before?.[`${what}Us`] ?? Number.NaN },
        ratio: each[`${what}Ratio`],
      }));
    return {
      figures: [...figures('lookup'), ...figures('append')],
      notes: [
        'The very statement of get(), named, over one connection on this machine, where a round trip costs nothing; an',
        'append of one hit, with synchronous_commit off. Ratios are medians over blocks in turns.',
      ],
    };
  } finally {
    for (const url of Object.values(urls)) {
      await sql(url, ...logins.map(name => `DROP OWNED BY ${name}`));
    }
    await sql(urls.without, ...logins.map(name => `DROP ROLE ${name}`));
  }
}
