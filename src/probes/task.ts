// SPDX-License-Identifier: MulanPSL-2.0
/** Processes and threads as the scheduler and the system calls see them. Kernel side: bpf/task.bpf.c. */
import { observedAll, observedEntries } from "../core/observe.ts";
import { bpfProbe } from "../core/probe.ts";
import { task } from "../gen/layouts.ts";
import { callsOn, callTables } from "./task/call_tables.ts";
import { fileSystemsOn, fsTables } from "./task/fs_tables.ts";
import { schedTables } from "./task/sched_tables.ts";

const tables = { ...schedTables, ...callTables, ...fsTables } as const;
const SWITCHES = ["proc_cpu", "proc_sched", "sched", "proc_sched_latency", "thread_cpu"] as const;
const CALL_TABLES = [...Object.keys(callTables), ...Object.keys(fsTables)] as (
  | keyof typeof callTables
  | keyof typeof fsTables
)[];

export default bpfProbe({
  name: "task",
  help: "Processes and threads: scheduling, system calls, file systems; from tracepoints.",
  partOf: ["proc"],
  layout: task,
  constants: (settings, on) => ({
    observe_all: Number(observedAll(settings)),
    sched_on: Number(on.has("proc_cpu") || on.has("proc_sched")),
    thread_cpu_on: Number(on.has("thread_cpu")),
    preemption_on: Number(on.has("proc_preemption")),
    latency_on: Number(on.has("sched")),
    proc_latency_on: Number(on.has("proc_sched_latency")),
    calls_on: callsOn(on),
    call_times_on: Number(on.has("proc_syscall_time")),
    call_failures_on: Number(on.has("proc_syscall") || on.has("proc_syscall_error")),
    ioctl_on: Number(on.has("proc_syscall_ioctl")),
    fs_on: fileSystemsOn(on),
  }),
  entries: observedEntries,
  uses: {
    task_switch: [...SWITCHES, "proc_preemption"],
    task_wakeup: [...SWITCHES, "proc_preemption"],
    task_wakeup_new: [...SWITCHES, "proc_preemption"],
    task_sys_enter: CALL_TABLES,
    task_sys_exit: CALL_TABLES,
  },
  iterators: ["task_reading"],
  alive: "reading",
  tables,
});
