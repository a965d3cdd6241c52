// SPDX-License-Identifier: MulanPSL-2.0
/** Tables of bpf/task_sli.h: what containers and the host wait for. */
import { filledBy, mapTable, ofBuckets, ofField } from "../../core/declare.ts";
import { SLI_BOUNDS, SLI_CONTAINER, SLI_NODE } from "../../core/sli.ts";
import { task } from "../../gen/layouts.ts";

type Cause =
  | "wait"
  | "sleep"
  | "iowait"
  | "block"
  | "longsys"
  | "reclaim"
  | "compact"
  | "swapin";

const sum = (cause: Cause, help: string) => ofField("counter", `${cause}_ns`, help, "ns");
const times = (cause: Cause, help: string) =>
  ofBuckets({ field: `${cause}_slots`, sum: `${cause}_ns` }, SLI_BOUNDS, help, "ns");

const CPU = {
  cpu_wait: sum("wait", "Time in which threads were ready and had no CPU."),
  cpu_sleep: sum("sleep", "Time in which threads slept, to be woken by anything."),
  cpu_iowait: sum("iowait", "Time in which threads waited for I/O."),
  cpu_block: sum("block", "Time in which threads were blocked by something else."),
  cpu_rundelay: sum("wait", "The same as cpu_wait."),
  cpu_longsys: sum("longsys", "Time of stays on a CPU that passed in the kernel, by its ticks."),
};
const CPU_TIMES = {
  cpu_wait_histo: times("wait", "How long threads that were ready had no CPU."),
  cpu_sleep_histo: times("sleep", "How long threads slept."),
  cpu_iowait_histo: times("iowait", "How long threads waited for I/O."),
  cpu_block_histo: times("block", "How long threads were blocked by something else."),
  cpu_rundelay_histo: times("wait", "The same as cpu_wait_histo."),
  cpu_longsys_histo: times("longsys", "How long these stays were."),
};
const MEMORY = {
  mem_reclaim: filledBy(
    "task_reclaim_end",
    sum("reclaim", "Time in which threads searched for memory within a limit."),
  ),
  mem_compact: filledBy(
    "task_compact_end",
    sum("compact", "Time in which threads moved pages to have larger free ones."),
  ),
  mem_swapin: filledBy(
    "task_swapin_end",
    sum("swapin", "Time in which threads waited for pages that were swapped out."),
  ),
};
const MEMORY_TIMES = {
  mem_reclaim_histo: filledBy(
    "task_reclaim_end",
    times("reclaim", "How long threads searched for memory within a limit."),
  ),
  mem_compact_histo: filledBy(
    "task_compact_end",
    times("compact", "How long threads moved pages."),
  ),
  mem_swapin_histo: filledBy(
    "task_swapin_end",
    times("swapin", "How long threads waited for pages that were swapped out."),
  ),
};

const CONTAINER = { ...SLI_CONTAINER, map: "sli_containers" } as const;
const NODE = { ...SLI_NODE, map: "sli_node" } as const;

export const sliTables = {
  sli_cpu_container_gauge: mapTable(task, { ...CONTAINER, metrics: CPU }),
  sli_cpu_container_histogram: mapTable(task, { ...CONTAINER, metrics: CPU_TIMES }),
  sli_mem_container_gauge: mapTable(task, { ...CONTAINER, metrics: MEMORY }),
  sli_mem_container_histogram: mapTable(task, { ...CONTAINER, metrics: MEMORY_TIMES }),
  sli_cpu_node_gauge: mapTable(task, { ...NODE, metrics: CPU }),
  sli_cpu_node_histogram: mapTable(task, { ...NODE, metrics: CPU_TIMES }),
  sli_mem_node_gauge: mapTable(task, { ...NODE, metrics: MEMORY }),
  sli_mem_node_histogram: mapTable(task, { ...NODE, metrics: MEMORY_TIMES }),
} as const;
