// SPDX-License-Identifier: MulanPSL-2.0
/** Tables of bpf/task_sched.h: time on and off CPUs. */
import { id, ofValue, text } from "../../core/labels.ts";
import { mapTable, ofField, raises } from "../../core/declare.ts";
import { ofDurations } from "../../core/durations.ts";
import { task } from "../../gen/layouts.ts";

const SECONDS = 1e-9;

const PROCESS = {
  map: "proc_sched",
  keys: { tgid: id("tgid") },
  labels: { comm: ofValue(text("comm")) },
} as const;

const LATENCY = {
  run_wait_seconds: ofDurations(
    "wait_slots",
    "wait_ns",
    "How long threads that were ready waited for a CPU.",
  ),
  off_cpu_seconds: ofDurations(
    "off_slots",
    "off_ns",
    "How long threads were off the CPU at a time, for whatever reason.",
  ),
} as const;

export const schedTables = {
  proc_cpu: mapTable(task, {
    ...PROCESS,
    entity: "proc",
    metrics: {
      offcpu_ns: ofField("counter", "offcpu_ns", "Time of its threads off the CPU.", "ns"),
      iowait_ns: raises(
        ofField("counter", "iowait_ns", "Of that, waiting for I/O.", "ns"),
        { above: "latency_thr", says: "Time it waited for I/O" },
      ),
    },
  }),
  proc_sched: mapTable(task, {
    ...PROCESS,
    entity: "proc_sched",
    metrics: {
      run_wait_seconds: ofField(
        "counter",
        "wait_ns",
        "Time its threads were ready and had no CPU.",
        "seconds",
        SECONDS,
      ),
      run_waits: ofField("counter", "waits", "Times a thread waited for a CPU.", "count"),
      preempted: ofField("counter", "preempted", "Times a thread lost its CPU unasked.", "count"),
      gave_up: ofField("counter", "voluntary", "Times a thread left its CPU to wait.", "count"),
      migrations: ofField("counter", "migrations", "Times a thread changed its CPU.", "count"),
      forks: ofField("counter", "forks", "Child processes made.", "count"),
      threads_made: ofField("counter", "threads", "Threads made.", "count"),
      execs: ofField("counter", "execs", "Programs started in its place.", "count"),
    },
  }),
  // Two histograms at each switch: what the other default tables cost, once more.
  sched: mapTable(task, {
    map: "sched_latency",
    entity: "sched",
    on: false,
    keys: {},
    metrics: LATENCY,
  }),
  proc_sched_latency: mapTable(task, {
    map: "proc_latency",
    entity: "proc_sched_latency",
    on: false,
    keys: { tgid: id("tgid") },
    metrics: LATENCY,
  }),
  thread_cpu: mapTable(task, {
    map: "thread_cpu",
    entity: "thread",
    on: false,
    keys: { pid: id("pid") },
    labels: {
      tgid: ofValue(id("tgid")),
      comm: ofValue(text("comm")),
      preempted_by: ofValue(text("preemptor")),
    },
    metrics: {
      off_cpu_ns: raises(
        ofField(
          "gauge",
          "off_cpu_ns",
          "Longest time off the CPU after losing it unasked, in the last period.",
          "ns",
        ),
        { above: 0, says: "Time off the CPU after losing it unasked" },
      ),
      migration_count: ofField("counter", "migrations", "Times it changed its CPU.", "count"),
      iowait_us: raises(
        ofField("counter", "iowait_ns", "Time it waited for I/O.", "us", 1e-3),
        { above: "latency_thr", says: "Time it waited for I/O" },
      ),
    },
  }),
  proc_preemption: mapTable(task, {
    map: "preemptions",
    entity: "proc_preemption",
    on: false,
    keys: { tgid: id("tgid"), by_tgid: id("by"), by_comm: text("by_comm") },
    metrics: {
      times: ofField("counter", "count", "Times the other took a thread's CPU.", "count"),
      off_cpu_seconds: ofField(
        "counter",
        "ns",
        "Time until those threads had a CPU again.",
        "seconds",
        SECONDS,
      ),
    },
  }),
} as const;
