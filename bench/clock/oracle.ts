/**
 * The oracle: what could be known if every clock's true rate were.
 *
 * It sees every sample of an exchange's clock that the fleet's connectors see (answers, refusals, time endpoints,
 * `Date` headers; those that were not worth keeping too) over the link to the reference clock that the process had
 * then. Whoever knows how clocks really moved can carry a sample through time without widening it. So each one is kept
 * as an interval of *residuals*, estimate less truth: it always contains zero, and its middle is the error.
 *
 *  - A stamp s with resolution r, of a request sent at t0 and answered at t3, by an exchange's clock E:
 *    [s − E(t3), s + r − E(t0)]. The host's clock does not occur: its readings are known exactly.
 *  - A lookup's answer, stamped d by the reference clock D: [d − D(t3), d − D(t0)].
 *
 * `oracle` intersects all residuals of exchange minus reference (sample less link) of an exchange, a reference clock and
 * an epoch, which ends when the exchange's clock steps, and is applied over the link that the process has: the last
 * lookup's. That is the oracle, "the intersection of all samples ever seen", where a sample is one observation
 * of an exchange's clock.
 *
 * `oracle-with-links` goes further: it intersects all links of a process too, and what the process itself saw of the
 * exchange. No estimator can beat it that believes stamps and stopwatches alone.
 *
 * Before an epoch's first sample the oracle knows nothing, and such inits are not counted for it.
 */
export interface Residual {
  readonly low: number;
  readonly high: number;
}

interface Known {
  epoch: number;
  residual: Residual;
}

const meet = (a: Residual | undefined, b: Residual): Residual =>
  a ? { low: Math.max(a.low, b.low), high: Math.min(a.high, b.high) } : b;
const less = (a: Residual, b: Residual): Residual => ({ low: a.low - b.high, high: a.high - b.low });
const plus = (a: Residual, b: Residual): Residual => ({ low: a.low + b.low, high: a.high + b.high });
const middle = ({ low, high }: Residual) => (low + high) / 2;

/** What one process knows. */
export interface ProcessResiduals {
  clockId: string | undefined;
  /** Of the last lookup, and of all of them. */
  link: Residual | undefined;
  links: Residual | undefined;
  /** By exchange. */
  readonly direct: Map<number, Known>;
}

export const newProcess = (): ProcessResiduals => ({
  clockId: undefined,
  link: undefined,
  links: undefined,
  direct: new Map(),
});

export class Oracle {
  readonly #shared = new Map<string, Known>();
  readonly #sharedTight = new Map<string, Known>();

  linked(process: ProcessResiduals, clockId: string, link: Residual): void {
    process.links = process.clockId === clockId ? meet(process.links, link) : link;
    process.clockId = clockId;
    process.link = link;
  }

  sampled(process: ProcessResiduals, exchange: number, epoch: number, sample: Residual): void {
    const direct = meetIn(process.direct, exchange, epoch, sample);
    const { clockId, link, links } = process;
    if (clockId === undefined || !link || !links) return;
    meetIn(this.#shared, `${exchange} ${clockId}`, epoch, less(sample, link));
    meetIn(this.#sharedTight, `${exchange} ${clockId}`, epoch, less(direct, links));
  }

  /** @returns undefined when nothing is known in this epoch */
  error(process: ProcessResiduals, exchange: number, epoch: number): number | undefined {
    const shared = this.#shared.get(`${exchange} ${process.clockId}`);
    if (!process.link || shared?.epoch !== epoch) return undefined;
    return middle(plus(shared.residual, process.link));
  }

  errorWithLinks(process: ProcessResiduals, exchange: number, epoch: number): number | undefined {
    const shared = this.#sharedTight.get(`${exchange} ${process.clockId}`);
    const direct = process.direct.get(exchange);
    const own = direct?.epoch === epoch ? direct.residual : undefined;
    if (!process.links || shared?.epoch !== epoch) return own && middle(own);
    return middle(meet(own, plus(shared.residual, process.links)));
  }
}

function meetIn<Key>(known: Map<Key, Known>, key: Key, epoch: number, residual: Residual): Residual {
  const before = known.get(key);
  const residualNow = meet(before?.epoch === epoch ? before.residual : undefined, residual);
  known.set(key, { epoch, residual: residualNow });
  return residualNow;
}
