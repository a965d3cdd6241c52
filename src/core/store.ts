// SPDX-License-Identifier: MulanPSL-2.0
/** All tables of the agent, with the limits that hold for them together (`imdb.*` in the configuration). */
import { Table, type TableSpec } from "./table.ts";

export interface StoreLimits {
  readonly maxTables: number;
  /** Rows of one table. */
  readonly maxRows: number;
  /** Keys, labels and metrics of one table. */
  readonly maxFields: number;
  /** A row that was not renewed for this long is gone. */
  readonly timeoutMs: number;
}

export const METRIC_PREFIX = "gala_gopher_";

const AGENT_ENTITY_REGEXP = /^agent(_|$)/;

/** What a histogram's series are named behind its family's name. */
const HISTOGRAM_SUFFIXES = ["_bucket", "_sum", "_count"];

/** `gala_gopher_<entity>_<metric>`. */
export function familyName(spec: TableSpec, metric: string): string {
  return `${METRIC_PREFIX}${spec.entity}_${metric}`;
}

export class Store {
  readonly #tables = new Map<string, Table>();
  readonly #ofProbe = new Map<string, readonly Table[]>();
  #readers = 0;
  #layoutVersion = 0;

  constructor(
    readonly limits: StoreLimits,
    readonly constantLabels: Readonly<Record<string, string>>,
  ) {}

  get tables(): IterableIterator<Table> {
    return this.#tables.values();
  }

  tablesOf(probe: string): readonly Table[] {
    return this.#ofProbe.get(probe) ?? [];
  }

  /** Changes when a table comes or goes. */
  get layoutVersion(): number {
    return this.#layoutVersion;
  }

  /** Changes with every written row. */
  get version(): number {
    let version = this.#layoutVersion;
    for (const table of this.#tables.values()) version += table.version;
    return version;
  }

  /** Adds a table. Throws a RangeError when a limit is passed and a TypeError when a name is taken. */
  add(name: string, probe: string, spec: TableSpec): Table {
    const taken = this.#tables.get(name);
    if (taken !== undefined) {
      throw new TypeError(
        `Table "${name}" of probe "${probe}" is already one of probe "${taken.probe}"`,
      );
    }
    if (this.#tables.size >= this.limits.maxTables) {
      throw new RangeError(
        `Table "${name}" is one more than imdb.max_tables_num = ${this.limits.maxTables}`,
      );
    }
    if (AGENT_ENTITY_REGEXP.test(spec.entity)) {
      throw new TypeError(
        `Entity "${spec.entity}" of table "${name}" is kept for the agent's own metrics`,
      );
    }
    const fields = spec.keys.length + spec.labels.length + Object.keys(spec.metrics).length;
    if (fields > this.limits.maxFields) {
      throw new RangeError(
        `Table "${name}" has ${fields} fields, imdb.max_metrics_num is ${this.limits.maxFields}`,
      );
    }
    refuseSuffixes(name, spec, spec);
    this.#refuseClash(name, spec);
    const table = new Table(name, probe, spec, {
      maxRows: this.limits.maxRows,
      constantLabels: this.constantLabels,
    });
    this.#tables.set(name, table);
    this.#ofProbe.set(probe, [...this.tablesOf(probe), table]);
    this.#layoutVersion++;
    return table;
  }

  remove(table: Table): void {
    if (this.#tables.get(table.name) !== table) return;
    this.#tables.delete(table.name);
    const others = this.tablesOf(table.probe).filter((other) => other !== table);
    if (others.length > 0) this.#ofProbe.set(table.probe, others);
    else this.#ofProbe.delete(table.probe);
    // The sum in `version` must never return to an earlier value.
    this.#layoutVersion += table.version + 1;
  }

  /** Removes what was not renewed in time; put off while a reader walks the tables. */
  sweep(now: number): void {
    if (this.#readers > 0) return;
    for (const table of this.#tables.values()) table.sweep(now - this.limits.timeoutMs);
  }

  /** Keeps every slot where it is until the returned object is disposed. */
  read(): Disposable {
    this.#readers++;
    let open = true;
    return {
      [Symbol.dispose]: () => {
        if (open) this.#readers--;
        open = false;
      },
    };
  }

  /** One family has one type, and two tables may share it only if their label names tell their rows apart. */
  #refuseClash(name: string, spec: TableSpec): void {
    const labels = [...spec.keys, ...spec.labels].sort().join();
    for (const other of this.#tables.values()) {
      if (other.spec.entity !== spec.entity) continue;
      refuseSuffixes(name, spec, other.spec);
      refuseSuffixes(other.name, other.spec, spec);
      const isMarked = spec.mark !== undefined && other.spec.mark !== undefined &&
        spec.mark !== other.spec.mark;
      const sameLabels = !isMarked &&
        [...other.spec.keys, ...other.spec.labels].sort().join() === labels;
      for (const [metric, { type }] of Object.entries(spec.metrics)) {
        if (!Object.hasOwn(other.spec.metrics, metric)) continue;
        if (sameLabels || other.spec.metrics[metric]!.type !== type) {
          throw new TypeError(
            `Metric "${
              familyName(spec, metric)
            }" of table "${name}" is already one of table "${other.name}"`,
          );
        }
      }
    }
  }
}

/** A histogram's series must not have the name of another metric of the entity. */
function refuseSuffixes(name: string, spec: TableSpec, other: TableSpec): void {
  for (const [metric, { type }] of Object.entries(spec.metrics)) {
    if (type !== "histogram") continue;
    for (const suffix of HISTOGRAM_SUFFIXES) {
      if (!Object.hasOwn(other.metrics, metric + suffix)) continue;
      throw new TypeError(
        `Histogram "${metric}" of table "${name}" needs the name "${metric}${suffix}" of a metric`,
      );
    }
  }
}
