/** Order statistics over every value of a run: sorted, not estimated. */

/** Numbers, as many as come, at eight bytes each. */
export class Sample {
  #values = new Float64Array(1_024);
  #count = 0;
  #isSorted = false;

  add(value: number): void {
    if (this.#count === this.#values.length) {
      const larger = new Float64Array(2 * this.#count);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.#count++] = value;
    this.#isSorted = false;
  }

  get count(): number {
    return this.#count;
  }

  /** @returns the smallest value that this share of all is at most; NaN of none. @param share 0 to 1 */
  quantile(share: number): number {
    if (this.#count === 0) return Number.NaN;
    if (!this.#isSorted) {
      this.#values.subarray(0, this.#count).sort();
      this.#isSorted = true;
    }
    const place = Math.min(this.#count - 1, Math.max(0, Math.ceil(share * this.#count) - 1));
    return this.#values[place] as number;
  }

  max(): number {
    return this.quantile(1);
  }
}
