// SPDX-License-Identifier: MulanPSL-2.0
/** Processes and threads as the scheduler and the system calls see them. Kernel side: bpf/task.bpf.c. */
import { observedConstants, observedEntries, observeKeys, topKey } from "../core/observe.ts";
import { bpfProbe, served } from "../core/declare.ts";
import { task } from "../gen/layouts.ts";
import { CALL_FIELDS, callsOn, callTables } from "./task/call_tables.ts";
import { fileSystemsOn, fsTables } from "./task/fs_tables.ts";
import { schedTables } from "./task/sched_tables.ts";
import { sliTables } from "./task/sli_tables.ts";

const SWITCH_PROGRAMS = ["task_switch", "task_wakeup", "task_wakeup_new"] as const;
const CALL_PROGRAMS = ["task_sys_enter", "task_sys_exit"] as const;
const STALL_PROGRAMS = [
  "task_reclaim_begin",
  "task_reclaim_end",
  "task_compact_begin",
  "task_compact_end",
  "task_swapin_begin",
  "task_swapin_end",
] as const;

const tables = {
  ...served(SWITCH_PROGRAMS, schedTables),
  ...served(CALL_PROGRAMS, { ...callTables, ...fsTables }),
  ...served([...SWITCH_PROGRAMS, ...STALL_PROGRAMS], sliTables),
} as const;
const SLI_TABLES = Object.keys(sliTables);
/** They need each switch; the others need what the kernel adds up anyway. */
const SWITCH_TABLES = [
  "sched",
  "proc_sched_latency",
  "thread_cpu",
  "proc_preemption",
  ...SLI_TABLES,
];

export default bpfProbe({
  name: "task",
  help: "Processes and threads: scheduling, system calls, file systems; from tracepoints.",
  partOf: ["taskprobe", "proc", "sli"],
  layout: task,
  settings: { ...observeKeys(), top: topKey },
  constants: (settings, on) => ({
    ...observedConstants(settings),
    sched_on: Number(on.has("proc_cpu") || on.has("proc_sched")),
    thread_cpu_on: Number(on.has("thread_cpu")),
    preemption_on: Number(on.has("proc_preemption")),
    latency_on: Number(on.has("sched")),
    switches_on: Number(SWITCH_TABLES.some((table) => on.has(table))),
    proc_latency_on: Number(on.has("proc_sched_latency")),
    calls_on: callsOn(on),
    call_times_on: Number(on.has("proc_syscall_time")),
    call_failures_on: Number(on.has("proc_syscall") || on.has("proc_syscall_error")),
    ioctl_on: Number(on.has("proc_syscall_ioctl")),
    fs_on: fileSystemsOn(on),
    sli_on: Number(SLI_TABLES.some((table) => on.has(table))),
  }),
  entries: observedEntries,
  mostUsed: (settings) => ({
    rows: settings.number("top"),
    ranks: {
      proc_sched: [["wait_ns"], ["iowait_ns"]],
      proc_calls: [CALL_FIELDS],
      thread_cpu: [["off_cpu_ns"], ["iowait_ns"]],
    },
  }),
  optional: STALL_PROGRAMS,
  iterators: [{ program: "task_reading" }],
  alive: "reading",
  tables,
});
