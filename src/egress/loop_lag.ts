// SPDX-License-Identifier: MulanPSL-2.0
/** How late the event loop is: the delay of a timer. Reading it consumes nothing. */

export interface LagStats {
  /** Sum over all looks. */
  readonly totalSeconds: number;
  /** Longest of the last minute. */
  readonly maxSeconds: number;
}

/** Four looks a second took half of what an idle agent costs; a delay is seen if it covers a look. */
const INTERVAL_MS = 1000;
const SLOT_MS = 1000;
const SLOTS = 60;

export class LoopLag implements Disposable {
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #now: () => number;
  /** Longest delay of each of the last 60 seconds. */
  readonly #longest = new Float64Array(SLOTS);
  #slot = 0;
  #slotEnd: number;
  #expected: number;
  #total = 0;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#expected = now() + INTERVAL_MS;
    this.#slotEnd = now() + SLOT_MS;
    this.#timer = setInterval(() => this.look(), INTERVAL_MS);
    Deno.unrefTimer(this.#timer);
  }

  get stats(): LagStats {
    return { totalSeconds: this.#total / 1000, maxSeconds: Math.max(...this.#longest) / 1000 };
  }

  look(): void {
    const now = this.#now();
    const lag = Math.max(0, now - this.#expected);
    this.#expected = now + INTERVAL_MS;
    for (let passed = 0; now >= this.#slotEnd && passed < SLOTS; passed++) {
      this.#slot = (this.#slot + 1) % SLOTS;
      this.#longest[this.#slot] = 0;
      this.#slotEnd += SLOT_MS;
    }
    if (now >= this.#slotEnd) this.#slotEnd = now + SLOT_MS;
    this.#longest[this.#slot] = Math.max(this.#longest[this.#slot]!, lag);
    this.#total += lag;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
