// SPDX-License-Identifier: MulanPSL-2.0
/** `gala-gopher probe test DIR`: runs a third-party probe alone, shows its rows decoded, and says what is wrong. */
import { resolve } from "node:path";
import { ConfigError, Unsupported } from "../core/errors.ts";
import { familyName, Store } from "../core/store.ts";
import type { Table } from "../core/table.ts";
import { type BadLine, REASON_TEXTS } from "../ingest/refusals.ts";
import { Watchdog } from "../ingest/watchdog.ts";
import { SECTIONS } from "../manager/schema.ts";
import { ExternalStarter } from "./external_starter.ts";
import { readProbeFolder } from "./probe_folder.ts";

export interface ProbeTestOptions {
  readonly folder: string;
  /** How long it runs at most. */
  readonly seconds: number;
  readonly print: (line: string) => void;
  /** Ends the run early. */
  readonly enough: Promise<unknown>;
}

/** Rows that are shown; further ones are only counted. */
const MAX_SHOWN_ROWS = 50;

/** Gives whether the probe printed rows or records, and nothing that was refused. */
export async function testProbe(options: ProbeTestOptions): Promise<boolean> {
  const { print, seconds } = options;
  const folder = resolve(options.folder);
  const entry = readProbeFolder(folder);
  const store = new Store({ maxTables: 64, maxRows: 10_000, maxFields: 128, timeoutMs: 1e9 }, {});
  const report = new Report(print);
  await using watchdog = new Watchdog((text) => report.wrong(text));
  const starter = new ExternalStarter({
    config: { external_probes: defaultsOf(SECTIONS.external_probes.keys) },
    store,
    watchdog,
    log: (level, text) => print(`log     ${level}: ${text}`),
    now: () => performance.now(),
    onRecord: (_, kind, line) => report.record(kind, line),
    onRow: (table, slot) => report.row(table, slot),
  });
  const ended = Promise.withResolvers<string>();
  // The check has its own line; then the probe runs whatever it said.
  if (entry.switch === "auto") print(`check   ${(await starter.check(entry)).reason}`);
  const startable = starter.startable(entry.name, () => ({ ...entry, switch: "on" }));
  print(`probe   ${entry.name}: ${entry.command} ${entry.param}`.trimEnd());
  const running = await startable.start(ended.resolve);
  for (const { name, spec } of store.tables) {
    print(`table   ${name}: keys ${list(spec.keys)}; labels ${list(spec.labels)}`);
  }
  print(`runs    for ${seconds} s at most, Ctrl-C ends it`);
  const timer = Promise.withResolvers<undefined>();
  const id = setTimeout(() => timer.resolve(undefined), seconds * 1000);
  const look = setInterval(() => report.refused(badLinesOf(running.facts?.())), 200);
  const reason = await Promise.race([ended.promise, timer.promise, options.enough]);
  clearTimeout(id);
  clearInterval(look);
  report.refused(badLinesOf(running.facts?.()));
  starter.hurry();
  await running.stop();
  report.refused(badLinesOf(startable.facts?.()));
  await starter.close();
  if (typeof reason === "string") report.wrong(`it ended by itself: ${reason}`);
  return report.verdict(startable.losses?.() ?? {});
}

/** What is printed while it runs, and the verdict at the end. */
class Report {
  readonly #print: (line: string) => void;
  #rows = 0;
  #records = 0;
  #problems = 0;
  #seenLines: readonly BadLine[] = [];

  constructor(print: (line: string) => void) {
    this.#print = print;
  }

  row(table: Table, slot: number): void {
    if (++this.#rows > MAX_SHOWN_ROWS) return;
    const labels = new TextDecoder().decode(table.labelText(slot));
    this.#print(`row     ${table.name} ${labels}`);
    for (const metric of table.metricNames) {
      this.#print(`          ${familyName(table.spec, metric)} ${shownValue(table, slot, metric)}`);
    }
  }

  record(kind: string, line: string): void {
    this.#records++;
    this.#print(`${kind.padEnd(7)} ${line}`);
  }

  wrong(text: string): void {
    this.#problems++;
    this.#print(`WRONG   ${text}`);
  }

  /** Shows those that were not shown before; each is an object of its own. */
  refused(lines: readonly BadLine[]): void {
    for (const line of lines.filter((line) => !this.#seenLines.includes(line))) {
      const field = line.field === undefined ? "" : ` "${line.field}"`;
      this.#print(`REFUSED ${line.text}`);
      this.#print(`          ${REASON_TEXTS[line.reason]}${field}`);
    }
    this.#seenLines = lines;
  }

  verdict(losses: Readonly<Record<string, number>>): boolean {
    const refused = Object.entries(losses);
    if (this.#rows > MAX_SHOWN_ROWS) {
      this.#print(`...     ${this.#rows - MAX_SHOWN_ROWS} more rows`);
    }
    if (this.#rows + this.#records === 0) {
      this.wrong("it printed no row, no event and no log record");
    }
    const counts = refused.map(([reason, count]) => `${count} ${reason}`).join(", ");
    this.#print(
      `total   ${this.#rows} rows, ${this.#records} records, refused: ${counts || "none"}`,
    );
    return this.#problems === 0 && refused.length === 0;
  }
}

/** A number, or for a histogram what was counted up to each bound. */
function shownValue(table: Table, slot: number, metric: string): string {
  const spec = table.spec.metrics[metric]!;
  const column = table.column(metric);
  const shown = (value: number) => Number.isNaN(value) ? "not known" : String(value);
  if (spec.type !== "histogram") return shown(table.get(slot, column));
  return spec.bounds.map((bound, i) => `<=${bound}: ${shown(table.get(slot, column + i))}`)
    .join(", ") || "not known";
}

/** What the configuration would say of a probe that cannot even be started, for people. */
export function explainProbe(error: unknown): string | undefined {
  if (error instanceof Unsupported) {
    return error.mend === undefined ? error.message : `${error.message}; mend: ${error.mend}`;
  }
  return error instanceof ConfigError || error instanceof AggregateError
    ? error.message
    : undefined;
}

function badLinesOf(facts: Readonly<Record<string, unknown>> | undefined): readonly BadLine[] {
  return (facts?.badLines ?? []) as readonly BadLine[];
}

function list(names: readonly string[]): string {
  return names.length === 0 ? "none" : names.join(", ");
}

function defaultsOf<Table extends Readonly<Record<string, { default: unknown }>>>(
  keys: Table,
): { readonly [Name in keyof Table]: Table[Name]["default"] } {
  const pairs = Object.entries(keys).map(([name, key]) => [name, key.default]);
  return Object.fromEntries(pairs) as { [Name in keyof Table]: Table[Name]["default"] };
}
