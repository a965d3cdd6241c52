// SPDX-License-Identifier: MulanPSL-2.0
/** Runs a probe that reads files: adds its tables to the store and writes their rows on each tick. */
import { ContainerLookup } from "../core/container_lookup.ts";
import type { ContainerNamer } from "../core/container_names.ts";
import type {
  HostCalls,
  HostFiles,
  NativeProbe,
  ProbeHost,
  RowWriter,
  RunningProbe,
  Settings,
  Tables,
  Writers,
} from "../core/probe.ts";
import { Snooper } from "../core/proc_filter.ts";
import { ProcessTable } from "../core/process_table.ts";
import type { Store } from "../core/store.ts";
import type { Table } from "../core/table.ts";
import { pageSize, ProcTasks } from "./proc_tasks.ts";

/** What all probes share of ProbeHost may be missing: then the probe has its own, knows no names and no mounts. */
export interface NativeHost extends Partial<ProbeHost> {
  readonly store: Store;
  readonly files: HostFiles;
  readonly settings: Settings;
  /** Names of tables that are switched off: the probe runs, these rows go nowhere. */
  readonly tablesOff?: ReadonlySet<string>;
}

export interface RunningNative extends RunningProbe {
  /** Reads once; what the probe throws goes on to the caller. The promise is that of a probe that has to wait. */
  tick(now: number): void | Promise<void>;
  stop(): void;
}

/** Throws Unsupported when the host lacks what the probe reads, and what the store throws for its tables. */
export function startNative<T extends Tables>(
  probe: NativeProbe<T>,
  host: NativeHost,
): RunningNative {
  const { store, files, settings, tablesOff = new Set() } = host;
  const opened = probe.open(files, settings, sharedOf(host));
  const { read, losses = () => ({}) } = typeof opened === "function" ? { read: opened } : opened;
  const writers = new Map<string, TableWriter>();
  const stop = () => {
    for (const { table } of writers.values()) store.remove(table);
    writers.clear();
  };
  const tables: Record<string, RowWriter> = {};
  try {
    for (const [name, spec] of Object.entries(probe.tables)) {
      if (tablesOff.has(name)) {
        tables[name] = NOWHERE;
        continue;
      }
      const writer = new TableWriter(store.add(name, probe.name, spec));
      writers.set(name, writer);
      tables[name] = writer;
    }
  } catch (error) {
    stop();
    throw error;
  }
  // Of the last reading that succeeded. NaN before the first: what is per second is then not known.
  let last = NaN;
  const tick = (now: number) => {
    for (const writer of writers.values()) writer.begin(now);
    const reading = read(tables as Writers<T>, (now - last) / 1000);
    if (reading !== undefined) {
      return reading.then(() => {
        last = now;
      });
    }
    last = now;
  };
  return { tick, stop, losses };
}

class TableWriter implements RowWriter {
  readonly #columns: number;
  #slot = -1;
  #now = 0;

  constructor(readonly table: Table) {
    this.#columns = table.columns;
  }

  begin(now: number): void {
    this.#now = now;
    this.#slot = -1;
  }

  row(...values: readonly string[]): this {
    const { table } = this;
    const slot = table.row(values, this.#now);
    this.#slot = slot;
    if (slot >= 0) {
      // A row that is renewed must not show an old number for one that is not known any more.
      for (let column = 0; column < this.#columns; column++) table.set(slot, column, NaN);
    }
    return this;
  }

  set(metric: string, value: number): this {
    if (this.#slot >= 0) this.table.set(this.#slot, this.table.column(metric), value);
    return this;
  }
}

function sharedOf({ files, ...given }: NativeHost): ProbeHost {
  const clock = () => performance.now();
  const containers = given.containers ?? new ContainerLookup(files, { clock });
  return {
    calls: given.calls ?? NO_CALLS,
    containers,
    names: given.names ?? NAMELESS,
    tasks: given.tasks ?? new ProcTasks(files, pageSize()),
    processes: given.processes ??
      new ProcessTable(files, { clock, containerOf: (pid) => containers.idOf(pid) }),
    snooper: given.snooper ?? new Snooper(),
  };
}

const NO_CALLS: HostCalls = {
  mountSizes: (mounts) => Promise.resolve(mounts.map(() => ({ state: "refused" }))),
};

const NAMELESS: ContainerNamer = { namesOf: () => undefined, losses: {} };

const NOWHERE: RowWriter = {
  row: () => NOWHERE,
  set: () => NOWHERE,
};
