// SPDX-License-Identifier: MulanPSL-2.0
/** All probes together: one timer reads them, and each can be started and stopped by name at any time. */
import type { ProbeStatus } from "../core/agent_stats.ts";
import type { Store } from "../core/store.ts";
import type { Logger } from "./log.ts";
import { ProbeLife, type Startable } from "./probe_life.ts";

export interface ManagerOptions {
  readonly store: Store;
  readonly log: Logger;
  /** Monotonic, in ms. */
  readonly now: () => number;
  readonly intervalMs: number;
  /** Told before each reading of all probes. */
  readonly ticking?: () => void;
  /** Told after each reading of all probes, of which some may still be at work. */
  readonly ticked?: () => void;
  readonly backOffMs?: number;
  readonly random?: () => number;
}

export class Manager {
  readonly #options: ManagerOptions;
  readonly #lives = new Map<string, ProbeLife>();
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(options: ManagerOptions) {
    this.#options = options;
  }

  /** Makes a probe known; it stays stopped until it is started. Throws TypeError when the name is taken. */
  add(probe: Startable): ProbeLife {
    if (this.#lives.has(probe.name)) throw new TypeError(`Probe "${probe.name}" exists already`);
    const { store } = this.#options;
    const life = new ProbeLife(probe, {
      ...this.#options,
      tables: (name) =>
        store.tablesOf(name)
          .map(({ name, rows, dropped, expired }) => ({ name, rows, dropped, expired })),
    });
    this.#lives.set(probe.name, life);
    return life;
  }

  /** Ends a probe and forgets it. */
  async remove(name: string): Promise<void> {
    const life = this.#lives.get(name);
    await life?.stop();
    if (this.#lives.get(name) === life) this.#lives.delete(name);
  }

  get(name: string): ProbeLife | undefined {
    return this.#lives.get(name);
  }

  /** Begins to read all running probes on the interval. */
  run(): void {
    this.#timer = setInterval(() => this.tick(), this.#options.intervalMs);
  }

  /** Reads every running probe once; what is not renewed in time goes. */
  tick(): void {
    this.#options.ticking?.();
    for (const life of this.#lives.values()) life.tick();
    this.#options.store.sweep(this.#options.now());
    this.#options.ticked?.();
  }

  status(): ProbeStatus[] {
    return [...this.#lives.values()].map((life) => life.status());
  }

  /** Stops all probes at once; resolves when nothing of them is left. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all([...this.#lives.values()].map((life) => life.stop()));
  }
}
