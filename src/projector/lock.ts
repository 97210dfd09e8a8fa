/**
 * One active projector among many: an advisory lock whose key comes from the checkpoint table's oid, so that
 * two schemas or two releases of one database never share or miss it by accident.
 *
 * `run` holds it for as long as its connection lives; a function that catches up takes it for one page's
 * transaction. Both forms exclude each other. Locks are always taken in this order, so that nobody waits in a
 * circle: 1. this lock, 2. the checkpoint rows in the order of their names, 3. the lock on making partitions,
 * 4. rows of the read tables. A rebuild takes no 1 and holds 2 while it switches; rebuilds queue for a lock of their
 * own, which they take before all others.
 */
/**
 * `leader`: this session holds the lock, and waits for a rebuild that is switching.
 * `guest`: takes the lock for the page, and waits for nobody. (It may hold the only connection of a pool that
 * the rebuild it would wait for needs to read events.)
 */
export type Role = 'leader' | 'guest';

/** The advisory locks, by the table whose oid is their first number. */
export const LOCK = {
  projector: { table: 'projection_checkpoint', number: 0 },
  rebuild: { table: 'projection_checkpoint', number: 1 },
} as const;

const keyOf = ({ table, number }: (typeof LOCK)[keyof typeof LOCK]) =>
  `'${table}'::regclass::oid::integer, ${number}`;
const KEY = keyOf(LOCK.projector);

/** One rebuild at a time; does not wait: `true` when this transaction has it. */
export const TRY_LOCK_FOR_REBUILD = `SELECT pg_try_advisory_xact_lock(${keyOf(LOCK.rebuild)})`;

/** Waits, until the session gets it or its time for locks is over. */
export const LOCK_FOR_SESSION = `SELECT pg_advisory_lock(${KEY})`;
/** Does not wait: `true` when this transaction has it, which {@link HOLDS_LOCK} then knows. */
export const TRY_LOCK_FOR_TRANSACTION = `SELECT set_config('connector_state.projects',
  pg_try_advisory_xact_lock(${KEY})::text, true)`;
/** A condition for the statements that are sent along behind: without the lock they find nothing, at no cost. */
export const HOLDS_LOCK = `current_setting('connector_state.projects', true) = 'true'`;
