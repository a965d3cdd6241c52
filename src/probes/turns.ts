// SPDX-License-Identifier: MulanPSL-2.0
/** Shares a bounded amount of work a tick among many: each has its turn, and who was left out comes first the next time. */
export class Turns<Item> {
  readonly #budget: number;
  readonly #cost: (item: Item) => number;
  #last: Item | undefined;

  constructor(budget: number, cost: (item: Item) => number) {
    this.#budget = budget;
    this.#cost = cost;
  }

  /** Those whose turn it is; at least one, however dear it is. */
  *take(items: readonly Item[]): Generator<Item> {
    const first = this.#last === undefined ? 0 : items.indexOf(this.#last) + 1;
    let spent = 0;
    for (let i = 0; i < items.length; i++) {
      const item = items[(first + i) % items.length]!;
      const cost = this.#cost(item);
      if (i > 0 && spent + cost > this.#budget) return;
      spent += cost;
      this.#last = item;
      yield item;
    }
  }
}
