/**
 * What is wrong with Redis and what helps, told from what the client threw or the server said (pure).
 *
 * A client that is between two connections says of each command only that it is offline. Why it is, it said when the last
 * attempt failed: connections.ts keeps that. A server's refusal may stand in the middle of the text, behind the name of the
 * script that met it.
 */

/** Which part of the tier does without: lookups, what is written, or hearing what others say has become void. */
export type TroubleWith = 'lookups' | 'writes' | 'invalidations';

export type TroubleCause =
  | 'offline'
  | 'slow'
  | 'breaker'
  | 'login'
  | 'right'
  | 'tls'
  | 'read-only'
  | 'loading'
  | 'busy'
  | 'full'
  | 'not-saved'
  | 'no-replicas'
  | 'clients'
  | 'database'
  | 'cluster'
  | 'no-cluster'
  | 'cluster-down'
  | 'sentinel'
  | 'commands'
  | 'not-redis'
  | 'refused';

export interface RedisTrouble {
  readonly cause: TroubleCause;
  /** What was said, without what was sent. */
  readonly problem: string;
  readonly remedy: string;
}

const RIGHTS = 'grant the user of REDIS_URL the rights of docs/operations.md#redis';
const A_CLUSTER =
  'the server is one of a cluster: add ?cluster=true to REDIS_URL, or name several of its nodes';

/** The first that matches. Words in capitals are the server's own codes. */
const CAUSES: readonly (readonly [RegExp, TroubleCause, string])[] = [
  [
    /\bNOAUTH\b/,
    'login',
    'it wants a password: put one into REDIS_URL (redis://user:password@host), and start this process anew',
  ],
  [
    /\bWRONGPASS\b|invalid password|\bAUTH\b.*without any password configured/i,
    'login',
    'user or password of REDIS_URL are refused: correct them and start this process anew, or admit them on the server (a user that is switched off is refused alike)',
  ],
  [/\bNOPERM\b|can't (run|publish|access)|no permissions/i, 'right', RIGHTS],
  [
    /\bREADONLY\b|\bMASTERDOWN\b/,
    'read-only',
    'it is a replica: name its master in REDIS_URL, or the Sentinels that know it (redis+sentinel://)',
  ],
  [/\bLOADING\b/, 'loading', 'it reads its data from disk: wait'],
  [/\bBUSY\b/, 'busy', 'a script of somebody keeps it busy: SCRIPT KILL'],
  [/\bOOM\b/, 'full', 'raise its maxmemory, or let it evict: maxmemory-policy allkeys-lru'],
  [
    /\bMISCONF\b/,
    'not-saved',
    'it cannot save to its disk and so takes no writes: give it room there, or CONFIG SET stop-writes-on-bgsave-error no (this tier needs no persistence)',
  ],
  [/\bNOREPLICAS\b/, 'no-replicas', 'too few of its replicas are there: see min-replicas-to-write'],
  // The second is what the client makes of a refusal that comes before it has asked anything.
  [
    /max number of clients|reading 'reject'/i,
    'clients',
    'raise its maxclients, or let fewer processes connect',
  ],
  [
    /DB index is out of range|SELECT is not allowed/i,
    'database',
    'name a database that it has: redis://host:port/0',
  ],
  // The second is what the client says of a slot that no node has.
  [
    /\bCLUSTERDOWN\b|Cluster is down|reading 'master'/i,
    'cluster-down',
    'the cluster lacks slots: redis-cli --cluster check',
  ],
  [/\b(MOVED|ASK|CROSSSLOT|TRYAGAIN)\b/, 'cluster', A_CLUSTER],
  [
    /cluster support disabled/i,
    'no-cluster',
    'it is no cluster: name one host in REDIS_URL, without ?cluster=true',
  ],
  [/redirection/i, 'cluster', 'its slots are being moved, or its nodes disagree: redis-cli --cluster check'],
  [
    /sentinel(?! does not answer)|None of the .*available|No such master/i,
    'sentinel',
    'no Sentinel of REDIS_URL knows a master of that name: SENTINEL GET-MASTER-ADDR-BY-NAME <name>',
  ],
  [
    /unknown (redis )?(sub)?command|unsupported command/i,
    'commands',
    'the server, or the proxy before it, does not know a command that the tier needs (EVALSHA, EVAL, INFO, SUBSCRIBE): connect to Redis itself',
  ],
  [
    /certificate|self.signed|altnames|ERR_(SSL|TLS)|\bSSL\b|\bEPROTO\b|wrong version number/i,
    'tls',
    'rediss:// is TLS and redis:// is not; name the authority with ?ca=',
  ],
  [
    /Unexpected type|unknown (RESP )?type|invalid protocol|something else|told neither/i,
    'not-redis',
    'what answers there is no Redis, or a proxy that changes its answers: correct REDIS_URL',
  ],
  [
    /Connection timeout|ECONN|ENOTFOUND|EAI_AGAIN|EHOST|ENET|EPIPE|offline|socket|is closed|disconnect|Root nodes/i,
    'offline',
    'start it, or correct the host and port in REDIS_URL; a port that speaks TLS needs rediss://, and no other does',
  ],
  [/breaker is open/i, 'breaker', 'lookups have failed; what they met was said before'],
  [
    /no answer|does not answer|timed? ?out/i,
    'slow',
    'see whether it is overloaded or far away; REDIS_DEADLINE_MS is what a lookup gives it',
  ],
];

/** What the server or the network said, without what was sent. */
export const problemOf = (error: unknown): string => {
  // Connecting to a name with several addresses fails with an AggregateError that has no message of its own.
  const code = (error as { code?: unknown } | undefined)?.code;
  const said = error instanceof Error ? error.message || String(code ?? error.name) : String(error);
  return (
    said
      .split('\n')[0]
      // A server that does not know a command says it back, and AUTH has a password.
      ?.replace(/,? with args beginning with.*/i, '')
      .slice(0, 200) ?? ''
  );
};

export function troubleOf(error: unknown): RedisTrouble {
  const problem = problemOf(error);
  const code = String((error as { code?: unknown } | undefined)?.code ?? '');
  const [, cause, remedy] = CAUSES.find(([said]) => said.test(`${code} ${problem}`)) ?? [
    undefined,
    'refused' as const,
    'see what it says, and docs/operations.md#redis',
  ];
  return { cause, problem, remedy };
}

/** Redis answers, and did not take what was to be written. Nothing that it still has is wrong because of it. */
export class WriteRefused extends Error {
  /** For want of room nothing is kept either, so there is nothing to write later. */
  readonly isForRoom: boolean;

  constructor(said: string) {
    super(said);
    this.name = 'WriteRefused';
    this.isForRoom = troubleOf(this).cause === 'full';
  }
}

/** The client's own words, an end and silence: a cause behind it may follow, or has been told. */
export const isVague = ({ cause, problem }: RedisTrouble): boolean =>
  cause === 'slow' ||
  cause === 'breaker' ||
  /client is (offline|closed)|disconnects client|closed unexpectedly|connection is closed|root nodes|ECONNRESET|EPIPE/i.test(
    problem,
  );

/** What now works and now fails is one trouble, not one each time. */
const OVER_AFTER_MS = 5_000;

interface Began {
  readonly told: Set<TroubleCause>;
  trouble: RedisTrouble;
  lastAtMs: number;
}

/** Each cause once, from the beginning of a trouble to its end. */
export class Troubles {
  readonly #now = new Map<TroubleWith, Began>();

  /** @returns what is to be told, if it was not yet */
  begin(what: TroubleWith, error: unknown, nowMs: number): RedisTrouble | undefined {
    const trouble = troubleOf(error);
    const { cause } = trouble;
    const known = this.#now.get(what);
    if (!known) {
      this.#now.set(what, { told: new Set([cause]), trouble, lastAtMs: nowMs });
      return trouble;
    }
    known.lastAtMs = nowMs;
    // A breaker repeats what opened it.
    if (cause === 'breaker' || (isVague(trouble) && !isVague(known.trouble))) return undefined;
    known.trouble = trouble;
    if (known.told.has(cause)) return undefined;
    known.told.add(cause);
    return trouble;
  }

  /** Something worked. @returns whether that is the end of one */
  end(what: TroubleWith, nowMs: number): boolean {
    const known = this.#now.get(what);
    if (!known || (what !== 'invalidations' && nowMs - known.lastAtMs < OVER_AFTER_MS)) return false;
    return this.#now.delete(what);
  }

  list(): readonly (RedisTrouble & { readonly with: TroubleWith })[] {
    return [...this.#now].map(([what, { trouble }]) => ({ with: what, ...trouble }));
  }
}
