// SPDX-License-Identifier: MulanPSL-2.0
/** CPU time of containers and of the host as a share of all CPUs, and the CPUs they may use: from cgroups and /proc/stat. */
import { type CgroupMounts, cgroupMounts } from "../core/cgroup_mounts.ts";
import { NamedNumbers } from "../core/named_numbers.ts";
import { gauge, nativeProbe, table } from "../core/declare.ts";
import type { HostFiles } from "../core/probe.ts";
import type { Container } from "../core/process_cgroups.ts";
import { Scanner } from "../core/scan.ts";
import { NODE } from "../core/sli.ts";
import { type CgroupFolders, cgroupFolders } from "./cgroup_controllers.ts";
import { CgroupUsage } from "./cgroup_usage.ts";
import * as v1 from "./cgroup_v1.ts";
import * as v2 from "./cgroup_v2.ts";
import { type Cpus, newTimes, scanStat } from "./cpu_files.ts";

const METRICS = {
  cpu_busy: gauge("CPU time of the last period, of that of all CPUs of the host.", "percent"),
  cpu_cores: gauge("CPUs that it may use: by its quota, or all of the host.", "count"),
};

export default nativeProbe({
  name: "sli_cpu",
  late: true,
  help: "Use of the CPUs by containers and by the host, from cgroups and /proc/stat.",
  partOf: ["sli"],
  on: false,
  tables: {
    sli_cpu_container_stat: table({
      entity: "sli_container",
      keys: ["container_id"],
      metrics: METRICS,
    }),
    sli_cpu_node_stat: table({ entity: "sli_node", keys: ["sli_node_key"], metrics: METRICS }),
  },
  open(files, _settings, host) {
    const mounts = cgroupMounts(new TextDecoder().decode(
      files.readOptional("proc/1/mountinfo") ?? files.read("proc/self/mountinfo"),
    ));
    const scan = new Scanner();
    const cpus: Cpus = { all: newTimes(), known: [], online: [] };
    const totals = new NamedNumbers([]);
    const watched = new Map<string, Watched>();
    return ({ sli_cpu_container_stat, sli_cpu_node_stat }, elapsed) => {
      scanStat(scan.over(files.read("proc/stat")), cpus, totals);
      const cores = cpus.online.length;
      sli_cpu_node_stat.row(NODE).set("cpu_busy", cpus.all.usedPercent).set("cpu_cores", cores);
      const before = new Map(watched);
      watched.clear();
      for (const { container } of host.containers.scan()) {
        const { id, shortId, paths } = container;
        let one = before.get(id);
        // Its runtime may put it together step by step.
        if (one?.container.paths.size !== paths.size) one = new Watched(files, mounts, container);
        watched.set(id, one);
        one.read();
        sli_cpu_container_stat.row(shortId)
          .set("cpu_busy", one.seconds / elapsed / cores * 100)
          .set("cpu_cores", Math.min(one.quota, cores));
      }
    };
  },
});

class Watched {
  /** CPU time since the reading before; NaN at first. */
  seconds = NaN;
  /** In CPUs; Infinity without, and where the controller is not at work. */
  quota = Infinity;
  readonly #usage = new CgroupUsage();
  readonly #folders: CgroupFolders;

  constructor(files: HostFiles, mounts: CgroupMounts, readonly container: Container) {
    this.#folders = cgroupFolders(files, mounts, container, ["cpu", "cpuacct"]);
  }

  read(): void {
    const { cpu, cpuacct } = this.#folders;
    const before = this.#usage.cpuSeconds;
    if (cpuacct?.version === 2) v2.readCpu(cpuacct, this.#usage);
    else if (cpuacct !== undefined) v1.readCpuacct(cpuacct, this.#usage, false);
    this.seconds = this.#usage.cpuSeconds - before;
    if (cpu === undefined) return;
    (cpu.version === 1 ? v1 : v2).readCpuLimits(cpu, this.#usage);
    const { quotaUs, periodUs } = this.#usage;
    this.quota = quotaUs > 0 && periodUs > 0 ? quotaUs / periodUs : Infinity;
  }
}
