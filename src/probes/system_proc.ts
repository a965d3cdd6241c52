// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Processes: those that the filter names, or without a filter those that use most CPU and memory. Numbers come from
 * iter/task or /proc/PID/{stat,io,limits,fd}; sizes by kind of memory from /proc/PID/smaps_rollup, which has a slower
 * period of its own: measured 0.08 ms for a small process, 12 ms more for each GB, off the event loop.
 */
import { NO_FILTER, parseWhiteList, type ProcFilter } from "../core/proc_filter.ts";
import { SMAPS_LINES } from "../core/proc_pid.ts";
import { counter, gauge, nativeProbe, table } from "../core/declare.ts";
import type { Read, Settings } from "../core/probe.ts";
import { COLON, Scanner, word } from "../core/scan.ts";
import { CONTAINERS, OPTIONAL_PATH, PATTERN, PIDS } from "../core/setting_format.ts";
import { listKey, numberKey, textKey } from "../core/setting_key.ts";
import { TASK, type TaskField } from "../core/task_batch.ts";
import { ProcWatch } from "./proc_watch.ts";

const METRICS = {
  fd_count: gauge("Open file descriptors.", "count"),
  fd_free_per: gauge("File descriptors that the process may still open, of its limit.", "percent"),
  rchar_bytes: counter("Bytes given to read calls, from wherever.", "bytes"),
  wchar_bytes: counter("Bytes taken from write calls, to wherever.", "bytes"),
  syscr_count: counter("Read calls.", "count"),
  syscw_count: counter("Write calls.", "count"),
  read_bytes: counter("Bytes fetched from storage.", "bytes"),
  write_bytes: counter("Bytes sent to storage.", "bytes"),
  cancelled_write_bytes: counter("Bytes in the page cache that were dropped unwritten.", "bytes"),
  shared_clean_size: gauge("Unmodified pages that others map too.", "kB"),
  shared_dirty_size: gauge("Modified pages that others map too.", "kB"),
  private_clean_size: gauge("Unmodified pages of its own.", "kB"),
  private_dirty_size: gauge("Modified pages of its own.", "kB"),
  referenced_size: gauge("Pages marked as accessed.", "kB"),
  lazyfree_size: gauge("Pages given up by MADV_FREE, not reclaimed yet.", "kB"),
  swap_data_size: gauge("Memory without a file that is swapped out.", "kB"),
  swap_data_pss_size: gauge("The same, divided by the number of its users.", "kB"),
  minor_pagefault_count: counter("Page faults without I/O.", "count"),
  major_pagefault_count: counter("Page faults that had to wait for I/O.", "count"),
  utime_jiffies: counter("CPU time in user mode, in 1/100 s.", "jiffies"),
  stime_jiffies: counter("CPU time in the kernel, in 1/100 s.", "jiffies"),
  cutime_jiffies: counter("CPU time of ended children in user mode, in 1/100 s.", "jiffies"),
  cstime_jiffies: counter("CPU time of ended children in the kernel, in 1/100 s.", "jiffies"),
  priority: gauge("Priority as the scheduler sees it; real time is below 0.", "scheduler value"),
  nice: gauge("Nice value, -20 to 19.", "scheduler value"),
  num_threads: gauge("Threads.", "count"),
  vm_size: gauge("Mapped memory.", "bytes"),
  pm_size: gauge("Resident memory.", "bytes"),
  pm_util: gauge("Resident memory, of all usable memory.", "percent"),
  cpu: gauge("CPU that its first thread ran on last.", "cpu index"),
  cpu_util: gauge("CPU time since the last reading; 100 is one CPU.", "percent"),
  cpu_user_util: gauge("The same, in user mode.", "percent"),
  cpu_system_util: gauge("The same, in the kernel.", "percent"),
} as const;

type Metric = keyof typeof METRICS;

/** Numbers that are exported as they were read. */
const PLAIN = Object.entries(
  {
    fd_count: "fds",
    rchar_bytes: "rchar",
    wchar_bytes: "wchar",
    syscr_count: "syscr",
    syscw_count: "syscw",
    read_bytes: "read_bytes",
    write_bytes: "write_bytes",
    cancelled_write_bytes: "cancelled_write_bytes",
    minor_pagefault_count: "minor_faults",
    major_pagefault_count: "major_faults",
    utime_jiffies: "utime",
    stime_jiffies: "stime",
    cutime_jiffies: "cutime",
    cstime_jiffies: "cstime",
    priority: "priority",
    nice: "nice",
    num_threads: "threads",
    vm_size: "size_bytes",
    pm_size: "resident_bytes",
    cpu: "cpu",
  } as const satisfies Partial<Record<Metric, TaskField>>,
).map(([metric, field]) => [metric as Metric, TASK[field]] as const);

/** In the order of SMAPS_LINES. */
const SMAPS_METRICS: readonly Metric[] = [
  "shared_clean_size",
  "shared_dirty_size",
  "private_clean_size",
  "private_dirty_size",
  "referenced_size",
  "lazyfree_size",
  "swap_data_size",
  "swap_data_pss_size",
];

/** What an empty setting makes: everything has it. */
const NO_PATTERN = new RegExp("");

const MEM_TOTAL = word("MemTotal");
const BYTES_PER_KB = 1024;
/** A day. */
const MAX_SECONDS = 86_400;

const TABLES = {
  system_proc: table({
    entity: "proc",
    keys: ["tgid"],
    labels: ["pgid", "ppid", "comm", "cmdline", "container_id", "start_time"],
    metrics: METRICS,
  }),
};

export default nativeProbe({
  name: "system_proc",
  help: "Processes, from iter/task or /proc/PID/{stat,io,limits,fd}, and /proc/PID/smaps_rollup.",
  partOf: ["system_infos", "baseinfo"],
  capabilities: {
    CAP_SYS_PTRACE: "I/O, limits, descriptors and memory by kind of other users' processes",
  },
  options: { w: "whitelist" },
  tasks: true,
  tables: TABLES,
  settings: {
    proc_name: textKey(
      "",
      "Regular expression that is found in the names of the processes to report.",
      { format: PATTERN },
    ),
    cmdline: textKey("", "Text that their command lines contain; with proc_name, both must hold."),
    proc_id: listKey(PIDS, "Ids of processes to report."),
    container_id: listKey(CONTAINERS, "Containers whose processes to report."),
    whitelist: textKey(
      "",
      "File with names of processes to report, one a line; also given by -w.",
      { format: OPTIONAL_PATH },
    ),
    top: numberKey(5, [0, 1000], "Without all of these, so many with most CPU and most memory.", {
      unit: "processes",
    }),
    smaps_interval: numberKey(
      60,
      [0, MAX_SECONDS],
      "Time between two readings of smaps_rollup, 0 for none; they cost 0.1 ms a process, 12 ms a GB.",
      { unit: "s" },
    ),
  },
  open(files, settings, host) {
    const scan = new Scanner();
    // A filter that was set at run time outlives a restart.
    if (host.snooper.filter === undefined) host.snooper.filter = filterOf(settings);
    const watch = new ProcWatch(files, host, {
      top: settings.number("top"),
      smapsSeconds: settings.number("smaps_interval"),
    });
    files.read("proc/meminfo");
    const read: Read<typeof TABLES> = ({ system_proc }, elapsed) => {
      const memory = totalMemory(scan.over(files.read("proc/meminfo")));
      for (const watched of watch.read(elapsed)) {
        const { batch } = watch;
        const { index, smaps } = watched;
        const { userUtil, systemUtil } = watched;
        const row = system_proc.row(...watched.labels);
        for (const [metric, column] of PLAIN) row.set(metric, batch.get(index, column));
        row.set(
          "fd_free_per",
          freeShare(batch.get(index, TASK.fds), batch.get(index, TASK.fd_limit)),
        )
          .set("pm_util", batch.get(index, TASK.resident_bytes) / memory * 100)
          .set("cpu_util", userUtil + systemUtil)
          .set("cpu_user_util", userUtil)
          .set("cpu_system_util", systemUtil);
        if (smaps === undefined) continue;
        for (let i = 0; i < SMAPS_LINES.length; i++) row.set(SMAPS_METRICS[i]!, smaps[i]!);
      }
    };
    return { read, losses: () => watch.losses };
  },
});
/** What the settings name; without any, nothing is filtered. Throws ConfigError. */
function filterOf(settings: Settings): ProcFilter {
  const comm = settings.pattern("proc_name");
  const cmdline = settings.text("cmdline");
  return {
    ...NO_FILTER,
    pids: new Set(settings.list("proc_id").map(Number)),
    comms: parseWhiteList(settings.fileText("whitelist")),
    rules: comm.source === NO_PATTERN.source && cmdline === "" ? [] : [{ comm, cmdline }],
    containers: settings.list("container_id").map((id) => id.toLowerCase()),
  };
}

/** In bytes; NaN when it is not told. */
function totalMemory(scan: Scanner): number {
  for (; !scan.ended; scan.nextLine()) {
    if (scan.field(COLON) && scan.is(MEM_TOTAL)) return scan.number() * BYTES_PER_KB || NaN;
  }
  return NaN;
}

function freeShare(used: number, limit: number): number {
  if (limit === Infinity) return Number.isNaN(used) ? NaN : 100;
  return limit === 0 ? 0 : Math.max(0, (limit - used) / limit * 100);
}
