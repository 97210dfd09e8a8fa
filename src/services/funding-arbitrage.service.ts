/**
 * FundingArbitrageService: restores a book of hedged positions in a fresh process.
 *
 * A position is long on one exchange and short on another to earn the difference of their funding rates, so
 * it needs two connectors, a primary and a hedge. Restoring a book means: make all connectors ready with
 * bounded parallelism, then read both funding rates of each position and report the spread. A connector that
 * fails is reported with its position and stops nobody else. Expired states are cleaned up once, at the first
 * restore; that this is not possible now (no database) is no reason not to trade.
 */
import { withDeadline } from '../base/deadline.js';
import { ConnectorStateError, InvalidInputError } from '../base/errors.js';
import { createLimit } from '../base/limit.js';
import { shown } from '../base/shown.js';
import type { CacheStats, ConnectorStateCacheService } from '../cache/connector-state-cache-service.js';
import type { ConnectorWithCache, InitResult } from '../connectors/connector-with-cache.js';
import type { ConnectorRef } from '../events/connector.js';
import { ExchangeError, type FundingRate } from '../exchanges/exchange-adapter.js';

export interface Leg {
  readonly connector: ConnectorWithCache;
  /** As the leg's exchange spells it: `BTCUSDT` on Bybit, `BTC-USDT` on BingX. */
  readonly symbol: string;
}

export interface HedgedPosition {
  readonly id: string;
  readonly primary: Leg;
  readonly hedge: Leg;
}

/** An error in safe parts: our stable code, the exchange's own where it gave one, a message without secrets. */
export interface Failure {
  readonly code: string;
  readonly exchangeCode?: string;
  readonly message: string;
}

export interface LegReport {
  readonly ref: ConnectorRef;
  readonly symbol: string;
  readonly init?: InitResult;
  readonly fundingRate?: FundingRate;
  readonly failure?: Failure;
}

export interface PositionReport {
  readonly id: string;
  readonly primary: LegReport;
  readonly hedge: LegReport;
  /**
   * Primary minus hedge rate, each a fraction of the position for its exchange's own funding interval;
   * `undefined` when either is not known.
   */
  readonly spread: number | undefined;
}

export interface RestoreReport {
  readonly durationMs: number;
  readonly positions: readonly PositionReport[];
  readonly connectors: number;
  readonly hits: number;
  readonly misses: number;
  /** Refusals that were met and healed. */
  readonly authFailures: number;
  /** Connectors that could not be initialised. */
  readonly failed: number;
  /** Over all processes; `undefined` when the database could not be asked. */
  readonly stats: CacheStats | undefined;
}

export interface FundingArbitrageOptions {
  readonly cache: ConnectorStateCacheService;
  /** Connectors initialised at once, 1–1000. Default 10. */
  readonly concurrency?: number;
}

/** A book that is ready does not wait longer than this for figures about it. */
const REPORT_DEADLINE_MS = 2_000;
const DEFAULT_CONCURRENCY = 10;
const MAX_CONCURRENCY = 1_000;

/**
 * Restores a book of hedged positions, `concurrency` connectors at once.
 * @example
 * const service = new FundingArbitrageService({ cache });
 * const { positions, hits } = await service.restore([
 *   { id: 'btc', primary: { connector: bybit, symbol: 'BTCUSDT' }, hedge: { connector: bingx, symbol: 'BTC-USDT' } },
 * ]);
 * for (const { id, spread } of positions) console.log(id, spread);
 */
export class FundingArbitrageService {
  readonly #cache: ConnectorStateCacheService;
  readonly #limit: ReturnType<typeof createLimit>;
  #cleanedUp: Promise<void> | undefined;

  /** @throws InvalidInputError when `concurrency` is out of range */
  constructor({ cache, concurrency = DEFAULT_CONCURRENCY }: FundingArbitrageOptions) {
    if (!Number.isInteger(concurrency) || concurrency < 1 || concurrency > MAX_CONCURRENCY) {
      throw new InvalidInputError(
        `concurrency must be a whole number from 1 to ${MAX_CONCURRENCY}, got ${shown(concurrency)}`,
      );
    }
    this.#cache = cache;
    this.#limit = createLimit(concurrency);
  }

  /** Never throws for a leg: what failed is in the report. */
  async restore(positions: readonly HedgedPosition[]): Promise<RestoreReport> {
    const startedMs = performance.now();
    // Beside the inits, not before them: nobody waits for a clean-up.
    this.#cleanedUp ??= this.#cleanUp();
    const reports = await Promise.all(positions.map(position => this.#restorePosition(position)));
    const durationMs = performance.now() - startedMs;
    await withDeadline(this.#cleanedUp, REPORT_DEADLINE_MS, () => undefined);
    const stats = await withDeadline(this.#stats(), REPORT_DEADLINE_MS, () => undefined);
    const report = { durationMs, positions: reports, ...countLegs(reports), stats };
    this.#log(report);
    return report;
  }

  async #restorePosition({ id, primary, hedge }: HedgedPosition): Promise<PositionReport> {
    const [first, second] = await Promise.all([this.#restoreLeg(primary), this.#restoreLeg(hedge)]);
    const spread =
      first.fundingRate && second.fundingRate && first.fundingRate.rate - second.fundingRate.rate;
    return { id, primary: first, hedge: second, spread };
  }

  #restoreLeg({ connector, symbol }: Leg): Promise<LegReport> {
    return this.#limit(async () => {
      let report: LegReport = { ref: connector.ref, symbol };
      try {
        report = { ...report, init: await connector.initialize() };
        return { ...report, fundingRate: await connector.fundingRate(symbol) };
      } catch (error) {
        return { ...report, failure: toFailure(error) };
      }
    });
  }

  async #cleanUp(): Promise<void> {
    if (this.#cache.mode === 'off') return;
    try {
      await this.#cache.cleanupExpired('funding-arbitrage');
    } catch (error) {
      this.#cache.log.warn(toFailure(error), '[FundingArbitrage] Expired states could not be cleaned up');
    }
  }

  async #stats(): Promise<CacheStats | undefined> {
    if (this.#cache.mode === 'off') return undefined;
    try {
      return await this.#cache.getStats();
    } catch (error) {
      this.#cache.log.warn(toFailure(error), '[FundingArbitrage] Cache statistics could not be read');
      return undefined;
    }
  }

  #log({ durationMs, connectors, failed, stats }: RestoreReport): void {
    this.#cache.log.info(
      { connectors, failed, durationMs },
      `[FundingArbitrage] Restored ${connectors - failed} of ${connectors} connectors in ${Math.round(durationMs)}ms`,
    );
    if (!stats) return;
    const { total, valid, hitRate } = stats;
    const percent = `${Math.round(hitRate * 100)}%`;
    this.#cache.log.info(
      { total, valid, hitRate },
      `[FundingArbitrage] Connector cache stats: { total: ${total}, valid: ${valid}, hitRate: ${percent} }`,
    );
  }
}

function countLegs(positions: readonly PositionReport[]) {
  const legs = positions.flatMap(({ primary, hedge }) => [primary, hedge]);
  const inits = legs.flatMap(leg => (leg.init ? [leg.init] : []));
  return {
    connectors: legs.length,
    hits: inits.filter(init => init.cacheHit).length,
    misses: inits.filter(init => !init.cacheHit).length,
    authFailures: inits.reduce((n, init) => n + init.authFailures, 0),
    failed: legs.length - inits.length,
  };
}

function toFailure(error: unknown): Failure {
  if (error instanceof ExchangeError) {
    return { code: error.code, exchangeCode: error.exchangeCode, message: error.message };
  }
  if (error instanceof ConnectorStateError) return { code: error.code, message: error.message };
  // Not one of ours, so not known to be free of secrets: its name is all that is repeated.
  return { code: 'UNKNOWN', message: error instanceof Error ? error.name : 'unknown error' };
}
