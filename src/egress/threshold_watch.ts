// SPDX-License-Identifier: MulanPSL-2.0
/** Compares the rows of every period with the rules of their metrics, and reports where a condition begins and ends. */
import {
  type Event,
  eventBody,
  type EventRule,
  type EventSettings,
  judge,
  type Severity,
  SEVERITY_NUMBERS,
} from "../core/event.ts";
import type { Store } from "../core/store.ts";
import type { Table } from "../core/table.ts";
import type { EventLog } from "./event_log.ts";
import { type ChangedRows, RowReader } from "./row_reader.ts";

export interface ThresholdWatchOptions {
  readonly store: Store;
  readonly events: EventLog;
  /** Settings of a probe by its name; undefined where it has none. */
  readonly settingsOf: (probe: string) => EventSettings | undefined;
  /** Unix time in ms. */
  readonly clock: () => number;
}

/** A condition that has begun and is not over. */
interface Active {
  readonly table: Table;
  readonly slot: number;
  readonly generation: number;
  readonly metric: string;
  readonly labels: readonly string[];
}

/** Conditions at a time; the end of one beyond is not told. */
const MAX_ACTIVE = 4096;

export class ThresholdWatch {
  readonly #options: ThresholdWatchOptions;
  readonly #reader: RowReader;
  readonly #rules = new WeakMap<Table, readonly (EventRule | undefined)[]>();
  readonly #active = new Map<string, Active>();
  #checking: Promise<void> | undefined;

  constructor(options: ThresholdWatchOptions) {
    this.#options = options;
    this.#reader = new RowReader(
      options.store,
      (table) =>
        this.#rulesOf(table).some((rule) => rule !== undefined) &&
        options.settingsOf(table.probe)?.report_event === true,
    );
  }

  /** Judges what is new since the last call; a call while one is at work waits for that one. */
  check(): Promise<void> {
    this.#checking ??= this.#check().finally(() => this.#checking = undefined);
    return this.#checking;
  }

  async #check(): Promise<void> {
    const now = this.#options.clock();
    await this.#reader.read((rows) => this.#judge(rows, now));
    const tables = new Set(this.#options.store.tables);
    for (const [key, active] of this.#active) {
      const { table, slot, generation } = active;
      if (tables.has(table) && table.isRow(slot) && table.generation(slot) === generation) continue;
      this.#end(key, active, "is gone", now);
    }
  }

  #rulesOf(table: Table): readonly (EventRule | undefined)[] {
    let rules = this.#rules.get(table);
    if (rules === undefined) {
      rules = table.metricNames.map((metric) => table.spec.metrics[metric]!.event);
      this.#rules.set(table, rules);
    }
    return rules;
  }

  #judge({ table, slots, columns }: ChangedRows, now: number): void {
    const settings = this.#options.settingsOf(table.probe)!;
    const rules = this.#rulesOf(table);
    for (const [i, metric] of table.metricNames.entries()) {
      const rule = rules[i];
      if (rule === undefined) continue;
      const column = table.column(metric);
      const { unit } = table.spec.metrics[metric]!;
      for (const slot of slots) {
        const value = columns[column]![slot]!;
        if (Number.isNaN(value)) continue;
        const wrong = judge(rule, value, unit, settings);
        const generation = table.generation(slot);
        const key = `${table.name}\0${metric}\0${slot}\0${generation}`;
        const active = this.#active.get(key);
        if (wrong === undefined) {
          if (active !== undefined) this.#end(key, active, "is over", now);
          continue;
        }
        const labels = table.labelsOf(slot);
        const begun = active ?? { table, slot, generation, metric, labels };
        const sent = this.#options.events.report(this.#event(begun, "WARN", wrong, now));
        if (sent && this.#active.size < MAX_ACTIVE) this.#active.set(key, begun);
      }
    }
  }

  #end(key: string, active: Active, how: string, now: number): void {
    this.#active.delete(key);
    const { says } = active.table.spec.metrics[active.metric]!.event!;
    this.#options.events.report(
      this.#event(active, "INFO", `${says}: the condition ${how}`, now),
      "end",
    );
  }

  #event({ table, metric, labels }: Active, severity: Severity, text: string, now: number): Event {
    const { entity, keys, labels: names } = table.spec;
    const id = labels.slice(0, keys.length).join("_");
    return {
      entity,
      id,
      metric,
      severity,
      severityNumber: SEVERITY_NUMBERS[severity],
      body: eventBody(now, severity, id, text),
      labels: eventLabels([...keys, ...names], labels),
    };
  }
}

/** The original's names of what may be known about an event, and the labels that tell it. */
const LABEL_SOURCES: Readonly<Record<string, readonly string[]>> = {
  PID: ["tgid", "pid"],
  COMM: ["comm"],
  ContainerID: ["container_id"],
  POD: ["pod", "pod_id"],
  Device: ["dev_name", "disk_name", "device"],
};

function eventLabels(names: readonly string[], values: readonly string[]): Record<string, string> {
  const value = (name: string) => values[names.indexOf(name)] ?? "";
  const labels: Record<string, string> = {};
  for (const [label, sources] of Object.entries(LABEL_SOURCES)) {
    const found = sources.map(value).find((text) => text !== "");
    if (found !== undefined) labels[label] = found;
  }
  const [client, server] = [value("client_ip"), value("server_ip")];
  if (client !== "" && server !== "") {
    labels.IP = `CIP(${client}), SIP(${server}:${value("server_port")})`;
  }
  return labels;
}
