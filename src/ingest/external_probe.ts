// SPDX-License-Identifier: MulanPSL-2.0
/** One external probe at work: its child process, its tables, and the way from the one to the other. */
import { messageOf } from "../core/errors.ts";
import type { RunningProbe } from "../core/probe.ts";
import type { Store } from "../core/store.ts";
import type { Table } from "../core/table.ts";
import { cameWithin, Child, type ChildUser } from "./child.ts";
import type { IngestTable } from "./ingest_table.ts";
import { LineReader } from "./line_reader.ts";
import { LineSplitter } from "./line_splitter.ts";
import type { ExternalTable, ParseTree } from "./meta.ts";
import { polledOutput, type PolledPipe, streamOutput } from "./output.ts";
import { type OutputPump, pumpOutput } from "./output_pump.ts";
import type { ProbeCgroup } from "./probe_cgroups.ts";
import { type Log, ProbeLog } from "./probe_log.ts";
import { ProbeTables, readMetas } from "./probe_tables.ts";
import type { ProcessContainers } from "./process_container.ts";
import type { ReadingTurns } from "./reading_turns.ts";
import type { RecordKind } from "./event_line.ts";
import { type Refusals, visibleText } from "./refusals.ts";
import type { Watchdog } from "./watchdog.ts";

export interface ExternalOptions {
  readonly name: string;
  /** Path of the program (see resolveCommand) and its arguments. */
  readonly command: readonly [program: string, ...args: string[]];
  readonly workingDirectory: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly user?: ChildUser | undefined;
  readonly nice?: number;
  readonly cgroup?: ProbeCgroup | undefined;
  /** The probe reads them from its stdin, as the first line and after each change. */
  readonly parameters?: Readonly<Record<string, unknown>>;
  readonly metaFiles: readonly string[];
  readonly parseYaml: ParseTree;
  /** Finds a table that no meta file of its own describes, when a line names it. */
  readonly catalogue?: ((table: string) => ExternalTable | undefined) | undefined;
  /** Takes lines whose last fields are missing, as the original's v1. */
  readonly shortLines?: boolean;
  /** Counts over several lives of the probe. */
  readonly refusals?: Refusals;
  /** No line for so long means that it hangs; 0 is never. */
  readonly hungAfterMs?: number;
  readonly store: Store;
  readonly watchdog: Watchdog;
  readonly turns: ReadingTurns;
  /** Monotonic, in ms. */
  readonly now: () => number;
  readonly log: Log;
  /** An event or log record in the original's format. */
  readonly onRecord: (kind: RecordKind, line: string) => void;
  readonly onRow?: (table: Table, slot: number) => void;
  readonly containers?: ProcessContainers | undefined;
  /** Takes over the stdout of a child that was just started; otherwise the runtime reads it, and each write wakes it. */
  readonly stdoutOf?: ((pid: number) => PolledPipe | undefined) | undefined;
  /** The child ended, or hung and was ended, and nobody asked it to. Its tables are gone by then. */
  readonly onExit: (exit: ExternalExit) => void;
  /** The agent ends: no stop may take long any more. */
  readonly hurry?: AbortSignal;
}

export interface ExternalExit {
  readonly code: number;
  readonly signal?: string;
  /** The end of what it printed to stderr. */
  readonly lastErrors: readonly string[];
  /** All of that in a sentence. */
  readonly reason: string;
}

/** How long to wait before the next, less friendly, way to end the child. */
export interface StopLimits {
  /** From closing its stdin to SIGTERM. */
  readonly termAfterMs: number;
  /** From SIGTERM to SIGKILL. */
  readonly killAfterMs: number;
}

export interface ExternalProbe extends RunningProbe {
  readonly pid: number;
  /** Resolves when the child is reaped, its descendants are ended and the tables are gone. */
  stop(limits?: StopLimits): Promise<void>;
  configure(parameters: Readonly<Record<string, unknown>>): void;
}

const STOP_LIMITS: StopLimits = { termAfterMs: 5000, killAfterMs: 5000 };
/** The agent must be gone within 2 s of SIGTERM. */
const HURRIED_LIMITS: StopLimits = { termAfterMs: 300, killAfterMs: 500 };
/** It would not see that its stdin is closed. */
const HUNG_LIMITS: StopLimits = { termAfterMs: 0, killAfterMs: 5000 };
/** For bytes still in the pipe of a killed child; longer only if somebody left the group with the pipe. */
const DRAIN_MS = 500;
/** The size of a pipe. */
const STDOUT_CHUNK_BYTES = 65536;
const STDERR_CHUNK_BYTES = 4096;
const MAX_LAST_ERRORS = 10;
const MAX_ERROR_BYTES = 400;
/** How often in its time-out it is looked after whether a probe hangs. */
const HUNG_LOOKS = 4;

/** Reads the tables and starts the child. Throws ConfigError (meta) or Unsupported; then nothing is left behind. */
export async function startExternal(options: ExternalOptions): Promise<ExternalProbe> {
  const { name, store, metaFiles, parseYaml } = options;
  const tables = new ProbeTables(name, store);
  try {
    tables.addAll(await readMetas(metaFiles, parseYaml));
    const probe = new Supervised(options, tables);
    await probe.run();
    return probe;
  } catch (error) {
    tables.remove();
    await options.cgroup?.remove();
    throw error;
  }
}

class Supervised implements ExternalProbe {
  readonly #options: ExternalOptions;
  readonly #tables: ProbeTables;
  readonly #child: Child;
  readonly #reader: LineReader;
  readonly #log: ProbeLog;
  readonly #pumps: readonly OutputPump[];
  readonly #lastErrors: Uint8Array[] = [];
  /** Resolves when the child is reaped and nobody holds its output any more. */
  readonly #over: Promise<void>;
  #stopping: Promise<void> | undefined;
  #asked = false;
  #lastChunk: number;
  #hungTimer: ReturnType<typeof setInterval> | undefined;

  constructor(options: ExternalOptions, tables: ProbeTables) {
    const { log, now, shortLines, refusals, onRecord, onRow, containers, command, catalogue } =
      options;
    this.#options = options;
    this.#tables = tables;
    this.#lastChunk = now();
    this.#log = new ProbeLog(log, now);
    this.#reader = new LineReader(tables.all, {
      record: onRecord,
      text: (bytes) => this.#log.line(bytes, "info"),
      ...(onRow === undefined ? {} : { row: onRow }),
      ...(containers === undefined ? {} : { containerOf: (process) => containers.of(process) }),
      ...(catalogue === undefined ? {} : { table: (name) => this.#adopt(catalogue(name)) }),
    }, { ...(shortLines ? { shortLines } : {}), ...(refusals ? { refusals } : {}) });
    const [program, ...args] = command;
    this.#child = new Child({ ...options, program, args });
    this.#pumps = [this.#pumpRows(), this.#pumpErrors()];
    const outputs = Promise.all(this.#pumps.map((pump) => this.#guarded(pump.done)));
    this.#over = Promise.all([this.#child.ended, outputs]).then(() => {});
    this.#watch().catch((error) => log("error", `Supervision failed: ${textOf(error)}`));
  }

  /** Lets the program begin, once nothing of it can escape. */
  async run(): Promise<void> {
    const { cgroup, hungAfterMs = 0, parameters = {} } = this.#options;
    try {
      cgroup?.join(this.pid);
    } catch (error) {
      this.#options.log("warn", `Its limits are not held: ${messageOf(error)}`);
    }
    await this.#child.run();
    this.configure(parameters);
    if (hungAfterMs > 0) {
      this.#hungTimer = setInterval(() => this.#endHung(hungAfterMs), hungAfterMs / HUNG_LOOKS);
    }
  }

  configure(parameters: Readonly<Record<string, unknown>>): void {
    this.#child.say(JSON.stringify({ probe: this.#options.name, params: parameters }));
  }

  get pid(): number {
    return this.#child.pid;
  }

  stop(limits: StopLimits = STOP_LIMITS): Promise<void> {
    this.#asked = true;
    this.#stopping ??= this.#stop(limits);
    return this.#stopping;
  }

  losses(): Readonly<Record<string, number>> {
    const { suppressed } = this.#log;
    const { notAsked = 0 } = this.#options.containers ?? {};
    return {
      ...this.#reader.refusals.counts,
      ...(suppressed > 0 ? { log_lines: suppressed } : {}),
      ...(notAsked > 0 ? { containers_not_asked: notAsked } : {}),
    };
  }

  facts(): Readonly<Record<string, unknown>> {
    const { lines, rows, records, texts, refusals } = this.#reader;
    const { now, cgroup } = this.#options;
    return {
      pid: this.pid,
      command: this.#options.command.join(" "),
      lines,
      rows,
      records,
      texts,
      silentSeconds: Math.round((now() - this.#lastChunk) / 1000),
      badLines: refusals.lines,
      ...cgroup?.facts(),
    };
  }

  /** A table from the common folder, if it is not another probe's already. */
  #adopt(table: ExternalTable | undefined): IngestTable | undefined {
    if (table === undefined) return undefined;
    try {
      return this.#tables.add(table);
    } catch (error) {
      this.#options.log("warn", messageOf(error));
      return undefined;
    }
  }

  #pumpRows(): OutputPump {
    const { now, turns, stdoutOf } = this.#options;
    const take = (chunk: Uint8Array) => {
      this.#lastChunk = now();
      this.#reader.feed(chunk, this.#lastChunk);
    };
    const { stdout, pid } = this.#child;
    const pipe = stdoutOf?.(pid);
    if (pipe !== undefined) this.#guarded(stdout.cancel());
    const output = pipe === undefined ? streamOutput(stdout) : polledOutput(pipe);
    const pump = pumpOutput(output, { chunkBytes: STDOUT_CHUNK_BYTES, turns, take });
    return { ...pump, done: pump.done.then(() => this.#reader.end()) };
  }

  #pumpErrors(): OutputPump {
    const line = (bytes: Uint8Array, start: number, end: number) => {
      if (start === end) return;
      this.#log.line(bytes.subarray(start, end), "warn");
      if (this.#lastErrors.length === MAX_LAST_ERRORS) this.#lastErrors.shift();
      this.#lastErrors.push(bytes.slice(start, Math.min(end, start + MAX_ERROR_BYTES)));
    };
    const splitter = new LineSplitter({ line, tooLong: line, unfinished: line });
    const { turns } = this.#options;
    const take = (chunk: Uint8Array) => splitter.feed(chunk);
    const output = streamOutput(this.#child.stderr);
    const pump = pumpOutput(output, { chunkBytes: STDERR_CHUNK_BYTES, turns, take });
    return { ...pump, done: pump.done.then(() => splitter.end()) };
  }

  /** A fault while reading ends this probe, not the agent. */
  async #guarded(done: Promise<void>): Promise<void> {
    try {
      await done;
    } catch (error) {
      this.#options.log("error", `Reading the output failed: ${textOf(error)}`);
      this.#child.signal("SIGKILL");
    }
  }

  /** Sees the end that nobody asked for. */
  async #watch(): Promise<void> {
    const { code, signal } = await this.#child.ended;
    if (this.#stopping !== undefined) return;
    const why = this.#options.cgroup?.wasOutOfMemory() ? ": it was out of memory" : "";
    this.#stopping = this.#finish();
    await this.#report(signal === null ? `Exit code ${code}${why}` : `Ended by ${signal}${why}`);
  }

  #endHung(afterMs: number): void {
    if (this.#options.now() - this.#lastChunk < afterMs || this.#stopping !== undefined) return;
    this.#stopping = this.#stop(HUNG_LIMITS);
    this.#report(`No line for ${afterMs / 1000} s`)
      .catch((error) => this.#options.log("error", `Supervision failed: ${textOf(error)}`));
  }

  /** Tells of the end, unless it was asked for meanwhile. */
  async #report(how: string): Promise<void> {
    try {
      await this.#stopping;
    } catch (error) {
      // Whatever is left of it: that it has ended must be known.
      this.#options.log("error", `Cleaning up failed: ${textOf(error)}`);
    }
    if (this.#asked) return;
    const { code, signal } = await this.#child.ended;
    const lastErrors = this.#lastErrors.map((bytes) => visibleText(bytes));
    const last = lastErrors.at(-1);
    const reason = last === undefined ? how : `${how}, last said: ${last}`;
    this.#options.onExit({ code, ...(signal === null ? {} : { signal }), lastErrors, reason });
  }

  async #stop({ termAfterMs, killAfterMs }: StopLimits): Promise<void> {
    for (const pump of this.#pumps) pump.hurry();
    await this.#child.closeStdin();
    if (!await this.#overWithin(termAfterMs, HURRIED_LIMITS.termAfterMs)) {
      this.#child.signal("SIGTERM");
      await this.#overWithin(killAfterMs, HURRIED_LIMITS.killAfterMs);
    }
    await this.#finish();
  }

  /** Waits for the end; the shorter time counts from the moment when the agent itself begins to end. */
  async #overWithin(milliseconds: number, hurriedMs: number): Promise<boolean> {
    const { hurry } = this.#options;
    const shorter = Math.min(milliseconds, hurriedMs);
    if (hurry?.aborted) return await cameWithin(this.#over, shorter);
    if (await cameWithin(this.#over, milliseconds, hurry)) return true;
    return hurry?.aborted === true && await cameWithin(this.#over, shorter);
  }

  /** Kills what is left, takes in what was printed, and gives everything back. */
  async #finish(): Promise<void> {
    const { cgroup } = this.#options;
    clearInterval(this.#hungTimer);
    this.#child.signal("SIGKILL");
    cgroup?.kill();
    await this.#child.ended;
    for (const pump of this.#pumps) pump.hurry();
    await cameWithin(this.#over, DRAIN_MS);
    await Promise.all(this.#pumps.map((pump) => pump.cancel()));
    await this.#over;
    await this.#child.clear();
    await cgroup?.remove();
    this.#tables.remove();
  }
}

/** Such an error is a fault of ours: the stack is wanted. */
function textOf(error: unknown): string {
  return error instanceof Error && error.stack !== undefined ? error.stack : String(error);
}
