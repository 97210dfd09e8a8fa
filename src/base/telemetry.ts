/**
 * What can be watched while connector-state works: each lookup, each init, each fact; and spans around what takes time.
 *
 * Nothing is watched unless somebody asks (metrics: telemetry/metrics.ts, traces: a tracer of `@opentelemetry/api`), and
 * then nothing here loads a package: whoever watches brings his own. The types below are the part of OpenTelemetry's API
 * that is used, so that a program without it need not have its types either.
 *
 * A span's context travels with the facts as their correlation id, in the form of W3C Trace Context (`traceparent`): the
 * append and the projection, which happen later and elsewhere, are spans of their own with links back to it.
 */

export interface SpanContextLike {
  readonly traceId: string;
  readonly spanId: string;
  readonly traceFlags: number;
}

export interface SpanLike {
  spanContext(): SpanContextLike;
  setAttribute(name: string, value: string | number | boolean): unknown;
  setStatus(status: { readonly code: number; readonly message?: string }): unknown;
  end(): void;
}

export type SpanAttributes = Readonly<Record<string, string | number | boolean>>;

export interface SpanOptionsLike {
  /** Not a part of what happens to be under way. */
  root?: boolean;
  attributes?: Record<string, string | number | boolean>;
  links?: { context: SpanContextLike }[];
}

/** `trace.getTracer('…')` of `@opentelemetry/api` is one. */
export interface TracerLike {
  startActiveSpan<T>(name: string, options: SpanOptionsLike, run: (span: SpanLike) => T): T;
}

/** One init of a connector, when it is over. */
export interface InitSeen {
  readonly exchange: string;
  readonly environment: string;
  /** How it came by its first offset; `none`: it failed. */
  readonly contact: string;
  readonly outcome: 'hit' | 'miss' | 'failed';
  /** Why the exchange refused on the way, where it was healed. */
  readonly refusals: readonly string[];
  readonly seconds: number;
}

/** A fact, as it is recorded. */
export interface FactSeen {
  readonly type: string;
  readonly data: object;
}

/** Is told of everything; must not throw. */
export interface Watcher {
  /** @param outcome `hit`, or the reason of the miss @param tier where it was answered; `none` for a miss */
  lookup(tier: string, outcome: string, seconds: number): void;
  init(seen: InitSeen): void;
  fact(seen: FactSeen): void;
}

interface SpanPlan {
  readonly attributes?: SpanAttributes | undefined;
  /** Correlation ids of the facts it is about; a span that has them stands for itself, and links to theirs. */
  readonly correlationIds?: Iterable<string | undefined> | undefined;
}

const ERROR_STATUS = 2;
export const MAX_LINKS = 32;
const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;
const INVALID_TRACE = /^0*$/;

export class Telemetry {
  readonly #tracer: TracerLike | undefined;
  readonly #watchers = new Set<Watcher>();

  constructor(tracer?: TracerLike) {
    this.#tracer = tracer;
  }

  /** @returns what ends it */
  watch(watcher: Watcher): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** Whether it pays to take the time of something. */
  get isWatched(): boolean {
    return this.#watchers.size > 0;
  }

  get isTraced(): boolean {
    return this.#tracer !== undefined;
  }

  lookup(tier: string, outcome: string, seconds: number): void {
    for (const watcher of this.#watchers) watcher.lookup(tier, outcome, seconds);
  }

  init(seen: InitSeen): void {
    for (const watcher of this.#watchers) watcher.init(seen);
  }

  fact(seen: FactSeen): void {
    for (const watcher of this.#watchers) watcher.fact(seen);
  }

  /** Runs it within a span, where there is a tracer; what it throws goes on, and marks the span by its code alone. */
  async span<T>(name: string, plan: SpanPlan, run: (span: SpanLike | undefined) => Promise<T>): Promise<T> {
    if (!this.#tracer) return run(undefined);
    const options: SpanOptionsLike = {
      attributes: { ...plan.attributes },
      ...(plan.correlationIds && { root: true, links: linksTo(plan.correlationIds) }),
    };
    return this.#tracer.startActiveSpan(`connector_state.${name}`, options, async span => {
      try {
        return await run(span);
      } catch (error) {
        // Not the message: it may name what a trace must not hold.
        const { code } = error as { code?: unknown };
        span.setStatus({ code: ERROR_STATUS, message: typeof code === 'string' ? code : 'failed' });
        throw error;
      } finally {
        span.end();
      }
    });
  }
}

/** `00-<trace>-<span>-<flags>`; `undefined` where nothing is traced. */
export function traceparentOf(span: SpanLike | undefined): string | undefined {
  if (!span) return undefined;
  const { traceId, spanId, traceFlags } = span.spanContext();
  if (INVALID_TRACE.test(traceId)) return undefined;
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`;
}

/** Whether a span can be linked to by it. */
export const isTraced = (correlationId: string): boolean => TRACEPARENT.test(correlationId);

function linksTo(correlationIds: Iterable<string | undefined>): { context: SpanContextLike }[] {
  const links: { context: SpanContextLike }[] = [];
  for (const id of new Set(correlationIds)) {
    if (links.length === MAX_LINKS) break;
    const [, traceId, spanId, flags] = TRACEPARENT.exec(id ?? '') ?? [];
    if (traceId === undefined || spanId === undefined) continue;
    links.push({ context: { traceId, spanId, traceFlags: Number.parseInt(flags ?? '0', 16) } });
  }
  return links;
}

/** Watched by nobody: what parts go by that are made without one. */
export const unwatched = new Telemetry();
