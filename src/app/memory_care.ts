// SPDX-License-Identifier: MulanPSL-2.0
/** When the agent gives back memory: once all is loaded, and then some time behind its readings. */
import type { Libbpf } from "../sys/libbpf.ts";
import { ownMemory } from "../sys/process_stats.ts";
import { IdleMemory } from "../sys/resident_memory.ts";

/** It takes 0.7 ms, and 2 more until what readings and scrapes touch has come back from the page cache. */
const EVERY_MS = 4900;
/** After a reading, so that what it has touched goes: till the next one 17 MB less are resident. */
const BEHIND_MS = 100;
/** By then everything is loaded. */
const AFTER_START_MS = 3000;

/** V8's own, with the flag of scripts/build.sh. */
const { gc } = globalThis as { gc?: (how: Readonly<Record<string, string>>) => void };
/** Collects twice and gives up pages that are nearly empty: measured 19.1 to 14.8 MB of heap, an ordinary one to 19.9. */
const collectGarbage = () => gc?.({ type: "major", execution: "sync", flavor: "last-resort" });

/** `now` is monotonic, in ms. */
export class MemoryCare implements Disposable {
  readonly #now: () => number;
  #idle: IdleMemory | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #dueAt = Infinity;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** The C library whose heap is meant. */
  use(libbpf: Libbpf): void {
    this.#idle = new IdleMemory(libbpf, collectGarbage, () => ownMemory().anonymousBytes);
  }

  started(): void {
    this.#dueAt = this.#now() + AFTER_START_MS + EVERY_MS;
    this.#giveBackIn(AFTER_START_MS);
  }

  /** A probe has been read. */
  ticked(): void {
    if (this.#now() < this.#dueAt) return;
    this.#dueAt = this.#now() + EVERY_MS;
    this.#giveBackIn(BEHIND_MS);
  }

  #giveBackIn(milliseconds: number): void {
    this.#timer = setTimeout(() => this.#idle?.giveBack(this.#now()), milliseconds);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#idle = undefined;
    this.#dueAt = Infinity;
  }
}
