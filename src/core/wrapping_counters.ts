// SPDX-License-Identifier: MulanPSL-2.0
/** Counters that the kernel keeps in 32 bits, and that start again at 0 when they are full: here they go on. */

const WRAP = 2 ** 32;
/** A step back by more than this is a wrap, by less another thing that has the name now. */
const WRAP_STEP = 2 ** 31;

export class WrappingCounters {
  /** As it was read; NaN: not yet. */
  readonly #last: Float64Array;
  readonly #wrapped: Float64Array;

  constructor(size: number) {
    this.#last = new Float64Array(size).fill(NaN);
    this.#wrapped = new Float64Array(size);
  }

  /** What the counter at this place would be with more bits. NaN, for one that could not be read, is left out. */
  next(place: number, value: number): number {
    const last = this.#last[place]!;
    if (last < WRAP && last - value > WRAP_STEP) this.#wrapped[place]! += WRAP;
    if (!Number.isNaN(value)) this.#last[place] = value;
    return value + this.#wrapped[place]!;
  }

  /** From now on they are those of another thing. */
  reset(): void {
    this.#last.fill(NaN);
    this.#wrapped.fill(0);
  }
}
