// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Which rows of a map are shown, and what all others come to. Shown are those that are named and, by each rank, the few
 * that used most in the last minute or so. What a row gains while it is shown is its own, and what it gains otherwise is
 * the rest's: so the rows that are shown and the rest are always the total.
 */
import { chooseTop } from "./top_tasks.ts";

/** As the enum in bpf/observe.h. */
export const SHOWN = { byUse: 0, always: 1, never: 2 } as const;

/** How a number behaves: a total that grows, a maximum of the period, or nothing to show. */
export type NumberKind = "total" | "maximum" | "none";

export interface TopOptions {
  readonly kinds: readonly NumberKind[];
  /** Positions of the numbers whose sum is a rank. */
  readonly ranks: readonly (readonly number[])[];
  /** Rows that are shown by each rank. */
  readonly limit: number;
}

/** Use counts half after this time. */
const HALF_LIFE_MS = 30_000;
/** Who used less than this part of what the first in rank did is idle. */
const IDLE_PART = 1 / 1000;
/** A row that is shown stays until another used so many times as much. */
const STAYS = 1.5;
const INITIAL_KEYS = 64;

export class TopRows {
  /** By number: what rows that are not shown come to. */
  readonly rest: Float64Array;
  /** Rows not shown at the last reading. */
  hidden = 0;
  /** Whether there ever was one. */
  hasRest = false;

  readonly #kinds: readonly NumberKind[];
  readonly #ranks: readonly (readonly number[])[];
  readonly #limit: number;
  readonly #width: number;
  #count = 0;
  #before = NaN;
  #decay = 1;
  #round = 0;
  #last: Float64Array;
  #gain: Float64Array;
  #own: Float64Array;
  #scores: Float64Array[];
  #weights = new Float64Array(INITIAL_KEYS);
  #noted = new Float64Array(INITIAL_KEYS);
  #standing = new Uint8Array(INITIAL_KEYS);
  #shown = new Uint8Array(INITIAL_KEYS);

  constructor({ kinds, ranks, limit }: TopOptions) {
    this.#kinds = kinds;
    this.#ranks = ranks;
    this.#limit = limit;
    this.#width = kinds.length;
    this.rest = new Float64Array(kinds.length);
    this.#last = new Float64Array(INITIAL_KEYS * kinds.length);
    this.#gain = new Float64Array(INITIAL_KEYS * kinds.length);
    this.#own = new Float64Array(INITIAL_KEYS * kinds.length);
    this.#scores = ranks.map(() => new Float64Array(INITIAL_KEYS));
  }

  /** Begins a reading. */
  begin(now: number): void {
    this.#decay = Number.isNaN(this.#before) ? 1 : 0.5 ** ((now - this.#before) / HALF_LIFE_MS);
    this.#before = now;
    this.#round++;
    this.#kinds.forEach((kind, i) => {
      if (kind === "maximum") this.rest[i] = 0;
    });
  }

  /** The numbers of a key in this reading. */
  note(key: number, numbers: Float64Array, standing: number): void {
    if (key >= this.#noted.length) this.#grow(key);
    this.#count = Math.max(this.#count, key + 1);
    const base = key * this.#width;
    for (let i = 0; i < this.#width; i++) {
      const value = numbers[i]!;
      const gain = value - this.#last[base + i]!;
      // What went back began anew.
      this.#gain[base + i] = this.#kinds[i] === "maximum" || gain < 0 ? value : gain;
      this.#last[base + i] = value;
    }
    this.#ranks.forEach((positions, rank) => {
      const scores = this.#scores[rank]!;
      scores[key]! *= this.#decay;
      for (const position of positions) scores[key]! += this.#gain[base + position]!;
    });
    this.#standing[key] = standing;
    this.#noted[key] = this.#round;
  }

  /** Ends a reading: decides who is shown, and gives everyone what they gained. */
  end(): void {
    const chosen = this.#choose();
    this.hidden = 0;
    for (let key = 0; key < this.#count; key++) {
      if (this.#noted[key] !== this.#round) continue;
      const shown = chosen.has(key);
      this.#shown[key] = Number(shown);
      if (!shown) this.hidden++;
      this.#give(key * this.#width, shown ? this.#own : this.rest, shown ? key * this.#width : 0);
    }
    if (this.hidden > 0) this.hasRest = true;
  }

  isShown(key: number): boolean {
    return this.#shown[key] === 1;
  }

  /** What the key gained while it was shown. */
  own(key: number, position: number): number {
    return this.#own[key * this.#width + position]!;
  }

  /** The number is another key's from now on. */
  forget(key: number): void {
    const [from, to] = [key * this.#width, (key + 1) * this.#width];
    for (const numbers of [this.#last, this.#own]) numbers.fill(0, from, to);
    for (const scores of this.#scores) scores[key] = 0;
    this.#shown[key] = 0;
    this.#noted[key] = 0;
  }

  #give(from: number, to: Float64Array, at: number): void {
    for (let i = 0; i < this.#width; i++) {
      const gain = this.#gain[from + i]!;
      if (this.#kinds[i] === "total") to[at + i]! += gain;
      else to[at + i] = to === this.rest ? Math.max(to[at + i]!, gain) : gain;
    }
  }

  #choose(): Set<number> {
    const chosen = new Set<number>();
    for (const scores of this.#scores) {
      const idle = this.#largest(scores) * IDLE_PART;
      for (let key = 0; key < this.#count; key++) {
        const counts = this.#isRanked(key) && scores[key]! > idle;
        this.#weights[key] = counts ? scores[key]! * (this.#shown[key] === 1 ? STAYS : 1) : 0;
      }
      chooseTop(this.#weights, this.#count, this.#limit, chosen);
    }
    for (let key = 0; key < this.#count; key++) {
      if (this.#noted[key] === this.#round && this.#standing[key] === SHOWN.always) chosen.add(key);
    }
    return chosen;
  }

  #isRanked(key: number): boolean {
    return this.#noted[key] === this.#round && this.#standing[key] === SHOWN.byUse;
  }

  #largest(scores: Float64Array): number {
    let largest = 0;
    for (let key = 0; key < this.#count; key++) {
      if (this.#isRanked(key)) largest = Math.max(largest, scores[key]!);
    }
    return largest;
  }

  #grow(key: number): void {
    let keys = this.#noted.length;
    while (keys <= key) keys *= 2;
    const numbers = (old: Float64Array, each = 1) => {
      const grown = new Float64Array(keys * each);
      grown.set(old);
      return grown;
    };
    const bytes = (old: Uint8Array) => {
      const grown = new Uint8Array(keys);
      grown.set(old);
      return grown;
    };
    this.#last = numbers(this.#last, this.#width);
    this.#gain = numbers(this.#gain, this.#width);
    this.#own = numbers(this.#own, this.#width);
    this.#scores = this.#scores.map((scores) => numbers(scores));
    this.#weights = numbers(this.#weights);
    this.#noted = numbers(this.#noted);
    this.#standing = bytes(this.#standing);
    this.#shown = bytes(this.#shown);
  }
}
