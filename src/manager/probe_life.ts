// SPDX-License-Identifier: MulanPSL-2.0
/**
 * The life of one probe: started, read on each tick, restarted with growing pauses when it fails, stopped. This is the
 * boundary at which a probe's error becomes a state with a reason; none of it reaches another probe.
 */
import type { ProbeState, ProbeStatus, TableStatus } from "../core/agent_stats.ts";
import { ConfigError, Unsupported } from "../core/errors.ts";
import type { ProbeKind, RunningProbe } from "../core/probe.ts";
import type { Logger } from "./log.ts";

/** What starts a probe. `failed` is for a probe that ends by itself later on. */
export interface Startable {
  readonly name: string;
  readonly kind: ProbeKind;
  start(failed: (reason: string) => void): Promise<RunningProbe>;
  /** As in RunningProbe, but over all lives of the probe, and told also when it does not run. */
  losses?(): Readonly<Record<string, number>>;
  facts?(): Readonly<Record<string, unknown>>;
}

export interface LifeOptions {
  readonly log: Logger;
  /** Monotonic, in ms. */
  readonly now: () => number;
  readonly tables: (probe: string) => readonly TableStatus[];
  /** From one reading to the next, in ms. */
  readonly intervalMs: number;
  /** First pause before a restart; doubles with each failure in a row. */
  readonly backOffMs?: number;
  /** 0 to 1, for the jitter of that pause. */
  readonly random?: () => number;
}

/** As the original: then it stays down until it is started by hand. */
const MAX_RESTARTS = 3;
const BACK_OFF_MS = 1000;
/** Share of a pause by which it is longer or shorter, so that probes that fail together do not return together. */
const JITTER = 0.25;
/** A probe that worked this long is forgiven its earlier failures. */
const FORGIVEN_MS = 600_000;
/** A reading that takes longer than this many intervals is said to hang. */
const HUNG_INTERVALS = 2;

export class ProbeLife {
  readonly #probe: Startable;
  readonly #options: LifeOptions;
  #state: ProbeState = "stopped";
  #reason: string | undefined;
  #mend: string | undefined;
  #running: RunningProbe | undefined;
  /** Changes with each start and stop: what an earlier life still reports is then ignored. */
  #life = 0;
  #restartTimer: ReturnType<typeof setTimeout> | undefined;
  #changing: Promise<void> = Promise.resolve();
  #startedAt = 0;
  #tickingSince: number | undefined;
  #inARow = 0;
  #ticks = 0;
  #lateTicks = 0;
  #lastTickMs = 0;
  #tickMs = 0;
  #failures = 0;
  #restarts = 0;

  constructor(probe: Startable, options: LifeOptions) {
    this.#probe = probe;
    this.#options = options;
  }

  get name(): string {
    return this.#probe.name;
  }

  get state(): ProbeState {
    return this.#state;
  }

  /** Starts it unless it runs. Resolves when it runs or is known not to; never rejects. */
  start(): Promise<void> {
    return this.#change(async () => {
      if (this.#running !== undefined) return;
      clearTimeout(this.#restartTimer);
      this.#inARow = 0;
      await this.#begin();
    });
  }

  /** Ends it; resolves when nothing of it is left; never rejects. */
  stop(): Promise<void> {
    clearTimeout(this.#restartTimer);
    return this.#change(async () => {
      clearTimeout(this.#restartTimer);
      await this.#end();
      this.#enter("stopped", "stopped on request");
    });
  }

  /** Ends it because there is nothing for it to observe; it can be started again. */
  rest(reason: string, mend?: string): Promise<void> {
    return this.#change(async () => {
      if (this.#running === undefined) return;
      await this.#end();
      this.#enter("unsupported", reason, mend);
      this.#options.log("info", `Probe "${this.name}" rests: ${reason}`);
    });
  }

  /** Gives new parameters to the running probe; whether it takes them. */
  configure(parameters: Readonly<Record<string, unknown>>): boolean {
    if (this.#running?.configure === undefined) return false;
    this.#running.configure(parameters);
    return true;
  }

  /** Reads once. A reading that is still at work is not disturbed: this one is skipped and counted. */
  tick(): void {
    const running = this.#running;
    if (running?.tick === undefined) return;
    const now = this.#options.now();
    if (this.#tickingSince !== undefined) {
      this.#lateTicks++;
      this.#reportHung(now - this.#tickingSince);
      return;
    }
    const life = this.#life;
    this.#tickingSince = now;
    try {
      const reading = running.tick(now);
      if (reading === undefined) this.#ticked(life, now);
      else reading.then(() => this.#ticked(life, now), (error) => this.#failed(life, error));
    } catch (error) {
      this.#failed(life, error);
    }
  }

  status(): ProbeStatus {
    const running = this.#running;
    return {
      name: this.name,
      kind: this.#probe.kind,
      state: this.#state,
      ...(this.#reason === undefined ? {} : { reason: this.#reason }),
      ...(this.#mend === undefined ? {} : { mend: this.#mend }),
      tables: this.#options.tables(this.name),
      ticks: this.#ticks,
      lateTicks: this.#lateTicks,
      lastTickSeconds: this.#lastTickMs / 1000,
      tickSeconds: this.#tickMs / 1000,
      failures: this.#failures,
      restarts: this.#restarts,
      losses: this.#ask(() => ({ ...this.#probe.losses?.(), ...running?.losses?.() }), {}),
      hooks: this.#ask(() => running?.hooks?.(), []),
      programs: this.#ask(() => running?.cost?.(), []),
      facts: this.#ask(() => ({ ...this.#probe.facts?.(), ...running?.facts?.() }), {}),
    };
  }

  /** What a probe cannot tell must not cost the others their status. */
  #ask<Answer>(question: () => Answer | undefined, otherwise: Answer): Answer {
    try {
      return question() ?? otherwise;
    } catch (error) {
      const reason = reasonOf(error);
      this.#options.log("warn", `Probe "${this.name}" cannot tell all of its status: ${reason}`);
      return otherwise;
    }
  }

  /** Starts and stops follow one another, in the order in which they were asked for. */
  #change(step: () => Promise<void>): Promise<void> {
    this.#changing = this.#changing.then(step);
    return this.#changing;
  }

  async #begin(): Promise<void> {
    const life = ++this.#life;
    this.#enter("starting");
    try {
      this.#running = await this.#probe.start((reason) => this.#failed(life, reason));
    } catch (error) {
      this.#refuse(life, error);
      return;
    }
    if (life !== this.#life) return; // it failed while it was being started
    this.#startedAt = this.#options.now();
    this.#enter("running");
    this.#options.log("info", `Probe "${this.name}" runs`);
    this.tick();
  }

  /** What the host lacks and what is wrong in the configuration will not go away by trying again. */
  #refuse(life: number, error: unknown): void {
    if (error instanceof Unsupported) {
      this.#enter("unsupported", error.message, error.mend);
      this.#options.log("info", `Probe "${this.name}" is unsupported: ${error.message}`);
    } else if (error instanceof ConfigError) {
      this.#enter("failed", error.message, "correct the configuration");
      this.#options.log("error", `Probe "${this.name}" failed: ${error.message}`);
    } else {
      this.#failed(life, error);
    }
  }

  #ticked(life: number, started: number): void {
    if (life !== this.#life) return;
    const now = this.#options.now();
    this.#tickingSince = undefined;
    this.#ticks++;
    this.#lastTickMs = now - started;
    this.#tickMs += this.#lastTickMs;
    if (this.#state === "running") this.#reason = undefined;
  }

  #reportHung(ms: number): void {
    if (ms < HUNG_INTERVALS * this.#options.intervalMs) return;
    this.#reason = `its reading has not come back for ${Math.round(ms / 1000)} s`;
    this.#options.log("warn", `Probe "${this.name}" hangs: its reading does not come back`);
  }

  #failed(life: number, error: unknown): void {
    if (life !== this.#life) return;
    this.#life++;
    this.#failures++;
    const worked = this.#state === "running" ? this.#options.now() - this.#startedAt : 0;
    if (worked > FORGIVEN_MS) this.#inARow = 0;
    const reason = reasonOf(error);
    const bug = error instanceof Error && !KNOWN_ERRORS.has(error.name) ? error.stack : undefined;
    this.#options.log("error", `Probe "${this.name}" failed: ${bug ?? reason}`);
    if (this.#inARow >= MAX_RESTARTS) {
      this.#change(() => this.#end());
      this.#enter("failed", `${reason}; gave up after ${MAX_RESTARTS} restarts in a row`);
      return;
    }
    const { backOffMs = BACK_OFF_MS, random = Math.random } = this.#options;
    const jitter = 1 + JITTER * (2 * random() - 1);
    const pause = backOffMs * 2 ** this.#inARow++ * jitter;
    this.#enter("failed", `${reason}; starts again ${Number((pause / 1000).toFixed(3))} s later`);
    this.#change(() => this.#end());
    this.#restartTimer = setTimeout(() => {
      this.#change(async () => {
        if (this.#state !== "failed") return;
        this.#restarts++;
        await this.#begin();
      });
    }, pause);
  }

  async #end(): Promise<void> {
    this.#life++;
    this.#tickingSince = undefined;
    const running = this.#running;
    this.#running = undefined;
    try {
      await running?.stop();
    } catch (error) {
      this.#failures++;
      this.#options.log("error", `Probe "${this.name}" did not stop cleanly: ${reasonOf(error)}`);
    }
  }

  #enter(state: ProbeState, reason?: string, mend?: string): void {
    this.#state = state;
    this.#reason = reason;
    this.#mend = mend;
  }
}

const KNOWN_ERRORS: ReadonlySet<string> = new Set(["KernelError", "Unsupported", "ConfigError"]);

function reasonOf(error: unknown): string {
  if (error instanceof Error) {
    return KNOWN_ERRORS.has(error.name) ? error.message : `${error.name}: ${error.message}`;
  }
  return String(error);
}
