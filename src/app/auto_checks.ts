// SPDX-License-Identifier: MulanPSL-2.0
/** Third-party probes with `switch: auto`: each is asked again and again whether it has anything to observe. */
import type { Logger } from "../manager/log.ts";
import type { Manager } from "../manager/manager.ts";
import type { ExtendProbeConfig } from "../manager/schema.ts";
import type { ExternalStarter } from "./external_starter.ts";

export interface AutoChecksOptions {
  readonly starter: ExternalStarter;
  readonly manager: Manager;
  readonly log: Logger;
  readonly intervalMs: number;
  /** The probes as they are configured at that moment. */
  readonly entries: () => readonly ExtendProbeConfig[];
}

export class AutoChecks {
  readonly #options: AutoChecksOptions;
  readonly #timer: ReturnType<typeof setInterval>;
  #round: Promise<void> | undefined;
  #closed = false;

  constructor(options: AutoChecksOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#begin(), options.intervalMs);
  }

  /** Resolves when no check is at work any more. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    await this.#round;
  }

  #begin(): void {
    if (this.#round !== undefined) return; // a check of the last round still runs
    const { entries, log } = this.#options;
    const autos = entries().filter((entry) => entry.switch === "auto");
    this.#round = Promise.all(autos.map((entry) => this.#look(entry)))
      .catch((error) => log("error", `start_check: ${error}`))
      .then(() => this.#round = undefined);
  }

  /** Starts what rests, and lets rest what has nothing more to observe. What was stopped by hand stays stopped. */
  async #look(entry: ExtendProbeConfig): Promise<void> {
    const { starter, manager } = this.#options;
    const life = manager.get(entry.name);
    if (this.#closed) return;
    if (life?.state !== "running" && life?.state !== "unsupported") return;
    // The start itself asks.
    if (life.state === "unsupported") return await life.start();
    const { start, counted, reason } = await starter.check(entry);
    // Only a clear answer ends a probe that works.
    if (!start && counted && !this.#closed) {
      await life.rest(reason, `switch: on, to run it all the same`);
    }
  }
}
