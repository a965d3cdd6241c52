// SPDX-License-Identifier: MulanPSL-2.0
/**
 * One queue for the work on the output of all external probes, so that together they leave half of the event loop to
 * others: a scrape must not wait for chatty probes, however many they are. What waits here waits in the pipes.
 */

/** Work after which other things get their turn. */
const SLICE_MS = 5;

export class ReadingTurns {
  #last: Promise<void> = Promise.resolve();
  #worked = 0;

  /** Does the work when its turn has come. */
  async take(work: () => void): Promise<void> {
    const before = this.#last;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#last = promise;
    await before;
    const start = performance.now();
    try {
      work();
    } finally {
      this.#worked += performance.now() - start;
      this.#pass(resolve);
    }
  }

  /** After a slice of work comes as long a pause. */
  #pass(next: () => void): void {
    if (this.#worked < SLICE_MS) return next();
    const pause = this.#worked;
    this.#worked = 0;
    setTimeout(next, pause);
  }
}
