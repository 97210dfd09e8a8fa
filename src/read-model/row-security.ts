/**
 * What is known of row-level security by who makes a table anew and puts it in the place of another: the policies that it
 * must have (migrations/1764000000074). Whether they are looked at is decided by whether a tenant is bound.
 */
import type { Client } from 'pg';

/** Which login is whose. */
export const TENANTS = 'connector_tenant';

/** Switches row-level security on for every table with our policy where a tenant is bound, and off where none is. */
export const GUARD = 'SELECT connector_tenant_guard()';

/**
 * @param as the table to make them for
 * @returns statements that make the table's policies; what they call is found by the search path, as in `table`'s schema
 */
export async function policiesOf(client: Client, table: string, as = table): Promise<string[]> {
  const { rows } = await client.query<{ statement: string }>(
    `SELECT format('CREATE POLICY %I ON %s AS %s FOR %s TO %s%s%s', p.polname, $2::text,
              CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
              CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
              (SELECT string_agg(CASE WHEN r = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(r)) END, ', ') FROM unnest(p.polroles) r),
              ' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')',
              ' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')') AS statement
       FROM pg_policy p WHERE p.polrelid = $1::regclass ORDER BY p.polname`,
    [table, as],
  );
  return rows.map(({ statement }) => statement);
}
