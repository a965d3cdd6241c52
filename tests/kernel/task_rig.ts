// SPDX-License-Identifier: MulanPSL-2.0
/** A probe of this program on the running kernel, with a row for every process, read when the test says so. */
import assert from "node:assert/strict";
import type { BpfProbe, RunningProbe, SettingValue } from "../../src/core/probe.ts";
import type { Store } from "../../src/core/store.ts";
import type { Table } from "../../src/core/table.ts";
import { histogramOf, type Numbers, numbersOf, tableOf, tableRows } from "../table_rows.ts";
import { ProbeRig } from "./probe_rig.ts";

const MAX_ROWS = 16384;
/** Also on an emulated machine. */
const ANSWER_MS = 60_000;

export interface RigOptions {
  readonly settings?: Readonly<Record<string, SettingValue>>;
  /** Tables that are on; all others are off. */
  readonly tables: readonly string[];
}

type Labels = Readonly<Record<string, string | number>>;

function textsOf(labels: Labels): string[] {
  return Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
}

export class TaskRig implements AsyncDisposable {
  #now = 0;

  private constructor(readonly probe: ProbeRig) {}

  static async start(probe: BpfProbe, { settings = {}, tables }: RigOptions): Promise<TaskRig> {
    const everyRow = "top" in probe.settings ? { top: -1 } : {};
    const options = { maxRows: MAX_ROWS, settings: { ...everyRow, ...settings }, tables };
    return new TaskRig(await ProbeRig.start(probe, options));
  }

  get store(): Store {
    return this.probe.store;
  }

  get running(): RunningProbe {
    return this.probe.running;
  }

  async read(): Promise<void> {
    await this.probe.tick(++this.#now);
  }

  /** Rows that were not renewed for so many readings are gone. */
  forgetAfter(readings: number): void {
    for (const table of this.store.tables) table.sweep(this.#now - readings);
  }

  table(name: string): Table {
    return tableOf(this.store, name);
  }

  /** Rows whose labels include all of these, by label text; of a histogram the first column. */
  rows(name: string, labels: Labels = {}): Map<string, Numbers> {
    const table = this.table(name);
    const rows = [...tableRows(table, ...textsOf(labels))];
    return new Map(rows.map(({ slot, labels }) => [labels, numbersOf(table, slot)]));
  }

  /** The only row with these labels. */
  row(name: string, labels: Labels = {}): Numbers {
    const rows = [...this.rows(name, labels)];
    assert.equal(rows.length, 1, `rows of ${name}: ${rows.map(([text]) => text).join(" ")}`);
    return rows[0]![1];
  }

  /** Count and sum of a histogram in the only row with these labels. */
  histogram(name: string, metric: string, labels: Labels = {}) {
    this.row(name, labels);
    const table = this.table(name);
    const [row] = tableRows(table, ...textsOf(labels));
    const { buckets, sum } = histogramOf(table, row!.slot, metric);
    return { count: buckets.reduce((all, each) => all + each, 0), sum, buckets };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.probe[Symbol.asyncDispose]();
  }
}

/** A shell that works when told and then waits, so that it lives while it is read. */
export class Shell implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #output: ReadableStreamDefaultReader<string>;

  constructor(program = "bash", args: readonly string[] = []) {
    this.#child = new Deno.Command(program, { args: [...args], stdin: "piped", stdout: "piped" })
      .spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#output = this.#child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Runs a line and gives what it wrote to standard output. */
  run(line: string): Promise<string> {
    return this.send(`${line}\necho "done:$?"\n`);
  }

  /** Sends input and waits for a line "done:" with a number. */
  protected async send(text: string): Promise<string> {
    await this.#input.write(new TextEncoder().encode(text));
    return await this.#answer();
  }

  async #answer(): Promise<string> {
    let text = "";
    const late = setTimeout(() => this.#child.kill("SIGKILL"), ANSWER_MS); // then the output ends
    using _timer = { [Symbol.dispose]: () => clearTimeout(late) };
    for (;;) {
      const { value, done } = await this.#output.read();
      if (done) throw new Error(`shell ended: ${text}`);
      text += value;
      const end = /^done:(\d+)\n$/m.exec(text);
      if (end !== null) return text.slice(0, end.index);
    }
  }

  /** Sends a last input and waits for the end. */
  async end(last = ""): Promise<void> {
    if (last !== "") await this.#input.write(new TextEncoder().encode(last));
    await this.#input.close();
    await this.#output.cancel();
    await this.#child.status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end().catch(() => {});
  }
}
