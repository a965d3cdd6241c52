// SPDX-License-Identifier: MulanPSL-2.0
/**
 * How fast folders in containers grow: the original's difference of `du`, for the folders that the settings name. A
 * folder is walked on threads of the runtime, beside the readings; a file costs some 40 us.
 */
import { gauge, nativeProbe, table } from "../core/declare.ts";
import { Unsupported } from "../core/errors.ts";
import type { ContainerProcesses } from "../core/container_lookup.ts";
import type { HostCalls, Read } from "../core/probe.ts";
import { ABSOLUTE_PATH } from "../core/setting_format.ts";
import { listKey, numberKey } from "../core/setting_key.ts";

const MAX_FOLDERS = 16;
const MAX_CONTAINERS = 1024;
const DAY_SECONDS = 86_400;

const TABLES = {
  system_con_io: table({
    entity: "container",
    keys: ["container_id"],
    labels: ["dir"],
    distinct: 1,
    metrics: {
      write_rate: gauge(
        "Growth of the folder since it was looked at before; 0: it shrank.",
        "bytes/s",
      ),
    },
  }),
};

export default nativeProbe({
  name: "container_dirs",
  help: "Growth of folders in containers, by walking /proc/PID/root.",
  partOf: ["baseinfo"],
  on: false,
  capabilities: { CAP_SYS_PTRACE: "folders of containers of other users" },
  tables: TABLES,
  settings: {
    dirs: listKey(ABSOLUTE_PATH, "Folders to watch, as paths inside of the containers.", {
      most: MAX_FOLDERS,
    }),
    interval: numberKey(60, [5, DAY_SECONDS], "Time between two looks at them.", { unit: "s" }),
  },
  open(_files, settings, host) {
    const folders = settings.list("dirs");
    const period = settings.number("interval");
    if (folders.length === 0) {
      throw new Unsupported("No folder is to be watched", "name some in settings.dirs");
    }
    const growth = new Growth(folders, host.calls, () => host.processes.now());
    let since = Infinity;
    const read: Read<typeof TABLES> = ({ system_con_io }, elapsed) => {
      since += elapsed;
      if (!(since < period) && growth.look(() => host.containers.scan())) since = 0;
      for (const { id, folder, rate } of growth.known.values()) {
        system_con_io.row(id, folder).set("write_rate", rate);
      }
    };
    return { read, losses: () => ({ folders_not_walked: growth.failures }) };
  },
});

interface Known {
  readonly id: string;
  readonly folder: string;
  readonly bytes: number;
  readonly at: number;
  /** NaN until it was looked at twice. */
  readonly rate: number;
}

class Growth {
  known = new Map<string, Known>();
  failures = 0;
  readonly #folders: readonly string[];
  readonly #calls: HostCalls;
  readonly #clock: () => number;
  #looking = false;
  #failure: unknown;

  constructor(folders: readonly string[], calls: HostCalls, clock: () => number) {
    this.#folders = folders;
    this.#calls = calls;
    this.#clock = clock;
  }

  /** Begins to look at all folders, unless it still does. Throws what went wrong the last time. */
  look(containers: () => readonly ContainerProcesses[]): boolean {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#looking) return false;
    this.#looking = true;
    this.#lookAt(containers().slice(0, MAX_CONTAINERS)).then(
      () => this.#looking = false,
      (error) => this.#failure = error,
    );
    return true;
  }

  async #lookAt(containers: readonly ContainerProcesses[]): Promise<void> {
    const known = new Map<string, Known>();
    for (const { container: { id, shortId }, pids } of containers) {
      for (const folder of this.#folders) {
        const key = `${id} ${folder}`;
        const at = this.#clock();
        const bytes = await this.#calls.treeBytes?.(Math.min(...pids), folder);
        if (bytes === undefined) continue;
        if (Number.isNaN(bytes)) this.failures++;
        else {known.set(key, {
            id: shortId,
            folder,
            bytes,
            at,
            rate: rateOf(this.known.get(key), bytes, at),
          });}
      }
    }
    this.known = known;
  }
}

function rateOf(before: Known | undefined, bytes: number, at: number): number {
  return before === undefined ? NaN : Math.max(0, bytes - before.bytes) / ((at - before.at) / 1000);
}
