// SPDX-License-Identifier: MulanPSL-2.0
/** Runs a probe that reads files: adds its tables to the store and writes their rows on each tick. */
import { ContainerLookup } from "../core/container_lookup.ts";
import type { ContainerNamer } from "../core/container_names.ts";
import type {
  HostCalls,
  HostFiles,
  NativeProbe,
  ProbeHost,
  RunningProbe,
  Settings,
  Tables,
  Writers,
} from "../core/probe.ts";
import { Snooper } from "../core/proc_filter.ts";
import { ProcessTable } from "../core/process_table.ts";
import type { Store } from "../core/store.ts";
import { pageSize, ProcTasks } from "./proc_tasks.ts";
import { TableWriters } from "./table_writers.ts";

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
  const writers = new TableWriters(store, probe.name, probe.tables, tablesOff);
  const stop = () => writers.remove();
  // Of the last reading that succeeded. NaN before the first: what is per second is then not known.
  let last = NaN;
  const tick = (now: number) => {
    writers.begin(now);
    const reading = read(writers.tables as Writers<T>, (now - last) / 1000);
    if (reading !== undefined) {
      return reading.then(() => {
        last = now;
      });
    }
    last = now;
  };
  return { tick, stop, losses };
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
      new ProcessTable(files, { clock, containerOf: containers.idOf.bind(containers) }),
    snooper: given.snooper ?? new Snooper(),
  };
}

const NO_CALLS: HostCalls = {
  mountSizes: (mounts) => Promise.resolve(mounts.map(() => ({ state: "refused" }))),
};

const NAMELESS: ContainerNamer = { namesOf: () => undefined, losses: {} };
