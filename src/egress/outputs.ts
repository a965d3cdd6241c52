// SPDX-License-Identifier: MulanPSL-2.0
/** What goes out by itself: changed rows on an interval, descriptions of tables, and events as they come. */
import { setTimeout } from "node:timers/promises";
import type { Store } from "../core/store.ts";
import type { Table } from "../core/table.ts";
import { ByteWriter } from "./byte_writer.ts";
import type { LineSink, SinkStats } from "./line_sink.ts";
import { metadataJson } from "./metadata_json.ts";
import type { RowForm } from "./row_form.ts";
import { type ChangedRows, RowReader } from "./row_reader.ts";

export const OUTPUT_KINDS = ["metric", "event", "meta"] as const;
export type OutputKind = typeof OUTPUT_KINDS[number];

/** One way out for one kind of lines. */
export interface Channel {
  readonly kind: OutputKind;
  /** As the configuration calls it: `kafka`, `logs`, `json`. */
  readonly name: string;
  readonly sink: LineSink;
  /** For metrics: how a row is written. */
  readonly form?: RowForm;
  /** For events: how one is written that stands in the original's form. */
  readonly eventForm?: (json: string) => string;
}

export interface OutputsOptions {
  readonly store: Store;
  readonly channels: readonly Channel[];
  readonly intervalMs: number;
  /** Unix time in ms. */
  readonly clock: () => number;
  /** Told of a fault of ours. */
  readonly failed: (error: unknown) => void;
}

export interface OutputStats extends SinkStats {
  readonly kind: OutputKind;
  readonly channel: string;
}

export const METADATA_EVERY_MS = 600_000;
/** Lines are handed over in pieces of about this size. */
const PIECE_BYTES = 400_000;

/** How long one sending waits for sinks that cannot follow, in all; then they lose what does not fit. */
const PATIENCE_MS = 2000;
const WAIT_MS = 2;

interface RowChannel {
  readonly sink: LineSink;
  readonly form: RowForm;
  readonly out: ByteWriter;
  lines: number;
}

export class Outputs {
  readonly #options: OutputsOptions;
  readonly #reader: RowReader;
  readonly #rows: readonly RowChannel[];
  readonly #encoder = new TextEncoder();
  readonly #constants: readonly string[];
  #described = new WeakSet<Table>();
  #layoutVersion = -1;
  #describedAt = -Infinity;
  #patienceMs = 0;
  #ticking: Promise<void> | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(options: OutputsOptions) {
    this.#options = options;
    this.#reader = new RowReader(options.store);
    this.#constants = Object.keys(options.store.constantLabels);
    this.#rows = options.channels.flatMap(({ sink, form }) =>
      form === undefined ? [] : [{ sink, form, out: new ByteWriter(), lines: 0 }]
    );
  }

  /** Describes the tables there are, remembers where counters stand, and goes on by itself. */
  start(): void {
    this.tick();
    this.#timer = setInterval(() => this.tick(), this.#options.intervalMs);
  }

  /** Sends what is new; resolves when it is handed over. While one is at work, another waits for it. */
  tick(): Promise<void> {
    this.#ticking ??= this.#tick()
      .catch((error) => this.#options.failed(error))
      .finally(() => this.#ticking = undefined);
    return this.#ticking;
  }

  /** Hands one event to every channel for events. */
  event(json: string): void {
    for (const { kind, sink, eventForm } of this.#options.channels) {
      if (kind !== "event") continue;
      sink.push(this.#encoder.encode(`${eventForm === undefined ? json : eventForm(json)}\n`), 1);
    }
  }

  stats(): OutputStats[] {
    return this.#options.channels.map(({ kind, name, sink }) => (
      { kind, channel: name, ...sink.stats }
    ));
  }

  /** Sends what is new for the last time; resolves when every channel is done with it. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#ticking;
    await this.tick();
    await Promise.all(this.#options.channels.map(({ sink }) => sink.close()));
  }

  async #tick(): Promise<void> {
    const now = this.#options.clock();
    this.#describe(now);
    if (this.#rows.length === 0) return;
    this.#patienceMs = PATIENCE_MS;
    await this.#reader.read((rows) => this.#write(rows, now));
    for (const channel of this.#rows) handOver(channel);
  }

  async #write(rows: ChangedRows, now: number): Promise<void> {
    for (const channel of this.#rows) {
      channel.lines += channel.form.write(channel.out, rows, now);
      if (channel.out.length < PIECE_BYTES) continue;
      handOver(channel);
      for (; channel.sink.pressed && this.#patienceMs > 0; this.#patienceMs -= WAIT_MS) {
        await setTimeout(WAIT_MS);
      }
    }
  }

  #describe(now: number): void {
    const { store } = this.#options;
    if (now - this.#describedAt >= METADATA_EVERY_MS) {
      this.#described = new WeakSet();
      this.#layoutVersion = -1;
      this.#describedAt = now;
    }
    if (store.layoutVersion === this.#layoutVersion) return;
    this.#layoutVersion = store.layoutVersion;
    const fresh = [...store.tables].filter((table) => !this.#described.has(table));
    if (fresh.length === 0) return;
    for (const table of fresh) this.#described.add(table);
    const lines = fresh.map((table) => `${metadataJson(table, this.#constants, now)}\n`);
    for (const { kind, sink } of this.#options.channels) {
      if (kind === "meta") sink.push(this.#encoder.encode(lines.join("")), lines.length);
    }
  }
}

function handOver(channel: RowChannel): void {
  const { sink, out, lines } = channel;
  if (lines === 0) return;
  sink.push(out.written.slice(), lines);
  out.length = 0;
  channel.lines = 0;
}
