// SPDX-License-Identifier: MulanPSL-2.0
/** One external probe at work: its child process, its tables, and the way from the one to the other. */
import { ConfigError } from "../core/errors.ts";
import type { RunningProbe } from "../core/probe.ts";
import type { Store } from "../core/store.ts";
import { cameWithin, Child } from "./child.ts";
import { addIngestTable, type IngestTable } from "./ingest_table.ts";
import { LineReader } from "./line_reader.ts";
import { LineSplitter } from "./line_splitter.ts";
import { type ExternalTable, parseMeta } from "./meta.ts";
import { type OutputPump, pumpOutput } from "./output_pump.ts";
import { type Log, ProbeLog } from "./probe_log.ts";
import { visibleText } from "./refusals.ts";
import type { Watchdog } from "./watchdog.ts";

export interface ExternalOptions {
  readonly name: string;
  /** Path of the program (see resolveCommand) and its arguments. */
  readonly command: readonly [program: string, ...args: string[]];
  readonly workingDirectory: string;
  readonly metaFiles: readonly string[];
  readonly store: Store;
  readonly watchdog: Watchdog;
  /** Monotonic, in ms. */
  readonly now: () => number;
  readonly log: Log;
  /** An event or log record in the original's format. */
  readonly onRecord: (kind: "event" | "log", line: string) => void;
  /** The child ended and nobody asked it to. Its tables are gone by then. */
  readonly onExit: (exit: ExternalExit) => void;
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
}

const STOP_LIMITS: StopLimits = { termAfterMs: 5000, killAfterMs: 5000 };
/** For bytes still in the pipe of a killed child; longer only if somebody left the group with the pipe. */
const DRAIN_MS = 500;
/** The size of a pipe. */
const STDOUT_CHUNK_BYTES = 65536;
const STDERR_CHUNK_BYTES = 4096;
/** The original's largest has 40 KB. */
const MAX_META_BYTES = 1 << 20;
const MAX_LAST_ERRORS = 10;
const MAX_ERROR_BYTES = 400;

/** Reads the tables and starts the child. Throws ConfigError (meta) or Unsupported; then nothing is left behind. */
export async function startExternal(options: ExternalOptions): Promise<ExternalProbe> {
  const { name, store } = options;
  const tables = addTables(name, store, await readMetas(options.metaFiles));
  try {
    const probe = new Supervised(options, tables);
    await options.watchdog.told; // from here on it does not outlive the agent
    return probe;
  } catch (error) {
    for (const { table } of tables) store.remove(table);
    throw error;
  }
}

async function readMetas(files: readonly string[]): Promise<ExternalTable[]> {
  const tables: ExternalTable[] = [];
  for (const file of files) {
    for (const table of parseMeta(await readText(file), file)) {
      if (tables.some((other) => other.name === table.name)) {
        throw new ConfigError(`table "${table.name}" is in another file too`, { file });
      }
      tables.push(table);
    }
  }
  return tables;
}

async function readText(file: string): Promise<string> {
  try {
    const { isFile, size } = await Deno.stat(file);
    if (!isFile || size > MAX_META_BYTES) {
      throw new ConfigError("too large, or no file", { file }, `up to ${MAX_META_BYTES} bytes`);
    }
    return new TextDecoder("utf-8", { fatal: true }).decode(await Deno.readFile(file));
  } catch (error) {
    if (!(error instanceof Error) || error instanceof ConfigError) throw error;
    const problem = error instanceof TypeError ? "not UTF-8" : `cannot be read: ${error.message}`;
    throw new ConfigError(problem, { file }, "a .meta file", { cause: error });
  }
}

function addTables(name: string, store: Store, described: readonly ExternalTable[]): IngestTable[] {
  const added: IngestTable[] = [];
  try {
    for (const table of described) added.push(addIngestTable(store, name, table));
    return added;
  } catch (error) {
    for (const { table } of added) store.remove(table);
    throw error;
  }
}

class Supervised implements ExternalProbe {
  readonly #options: ExternalOptions;
  readonly #tables: readonly IngestTable[];
  readonly #child: Child;
  readonly #reader: LineReader;
  readonly #log: ProbeLog;
  readonly #pumps: readonly OutputPump[];
  readonly #lastErrors: Uint8Array[] = [];
  /** Resolves when the child is reaped and nobody holds its output any more. */
  readonly #over: Promise<void>;
  #stopping: Promise<void> | undefined;
  #asked = false;

  constructor(options: ExternalOptions, tables: readonly IngestTable[]) {
    this.#options = options;
    this.#tables = tables;
    this.#log = new ProbeLog(options.log, options.now);
    this.#reader = new LineReader(tables, {
      record: options.onRecord,
      text: (bytes) => this.#log.line(bytes, "info"),
    });
    const [program, ...args] = options.command;
    const { workingDirectory, watchdog } = options;
    this.#child = new Child({ program, args, workingDirectory, watchdog });
    this.#pumps = [this.#pumpRows(), this.#pumpErrors()];
    const outputs = Promise.all(this.#pumps.map((pump) => this.#guarded(pump.done)));
    this.#over = Promise.all([this.#child.ended, outputs]).then(() => {});
    this.#watch().catch((error) => options.log("error", `Supervision failed: ${textOf(error)}`));
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
    return {
      ...this.#reader.refusals.counts,
      ...(suppressed > 0 ? { log_lines: suppressed } : {}),
    };
  }

  facts(): Readonly<Record<string, unknown>> {
    const { lines, rows, records, texts, refusals } = this.#reader;
    const command = this.#options.command.join(" ");
    return { pid: this.pid, command, lines, rows, records, texts, badLines: refusals.lines };
  }

  #pumpRows(): OutputPump {
    const { now } = this.#options;
    const pump = pumpOutput(this.#child.stdout, STDOUT_CHUNK_BYTES, (chunk) => {
      this.#reader.feed(chunk, now());
    });
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
    const pump = pumpOutput(
      this.#child.stderr,
      STDERR_CHUNK_BYTES,
      (chunk) => splitter.feed(chunk),
    );
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
    this.#stopping = this.#finish();
    await this.#stopping;
    if (this.#asked) return;
    const lastErrors = this.#lastErrors.map((bytes) => visibleText(bytes));
    const how = signal === null ? `Exit code ${code}` : `Ended by ${signal}`;
    const last = lastErrors.at(-1);
    const reason = last === undefined ? how : `${how}, last said: ${last}`;
    this.#options.onExit({ code, ...(signal === null ? {} : { signal }), lastErrors, reason });
  }

  async #stop({ termAfterMs, killAfterMs }: StopLimits): Promise<void> {
    await this.#child.closeStdin();
    if (!await cameWithin(this.#over, termAfterMs)) {
      this.#child.signal("SIGTERM");
      await cameWithin(this.#over, killAfterMs);
    }
    await this.#finish();
  }

  /** Kills what is left, takes in what was printed, and gives everything back. */
  async #finish(): Promise<void> {
    this.#child.signal("SIGKILL");
    await this.#child.ended;
    await cameWithin(this.#over, DRAIN_MS);
    await Promise.all(this.#pumps.map((pump) => pump.cancel()));
    await this.#over;
    await this.#child.clear();
    for (const { table } of this.#tables) this.#options.store.remove(table);
  }
}

/** Such an error is a fault of ours: the stack is wanted. */
function textOf(error: unknown): string {
  return error instanceof Error && error.stack !== undefined ? error.stack : String(error);
}
