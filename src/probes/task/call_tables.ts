// SPDX-License-Identifier: MulanPSL-2.0
/** Tables of bpf/task_calls.h: how long the system calls of observed processes take, and which fail. */
import { callOf, errorOf } from "../../core/call_names.ts";
import { id, ofValue, text, word } from "../../core/labels.ts";
import { mapTable, ofField, raises } from "../../core/declare.ts";
import { ofDurations } from "../../core/durations.ts";
import { task } from "../../gen/layouts.ts";

/** As the enum in bpf/syscalls.h; a call's bit in `calls_on` is its place here. */
const CALLS = [
  "mount",
  "umount",
  "read",
  "write",
  "fsync",
  "sendmsg",
  "recvmsg",
  "sched_yield",
  "futex",
  "epoll_wait",
  "epoll_pwait",
  "fork",
  "vfork",
  "clone",
  "ioctl",
] as const;

type Call = typeof CALLS[number];

/** Of the longest calls. */
export const CALL_FIELDS = CALLS.map((call) => `${call}_ns` as const);

const PROCESS = {
  map: "proc_calls",
  entity: "proc",
  on: false,
  keys: { tgid: id("value") },
  labels: { comm: ofValue(text("comm")) },
} as const;

const TABLE_CALLS = {
  proc_syscall_io: ["mount", "umount", "read", "write", "fsync"],
  proc_syscall_net: ["sendmsg", "recvmsg"],
  proc_syscall_sched: ["sched_yield", "futex", "epoll_wait", "epoll_pwait"],
  proc_syscall_fork: ["fork", "vfork", "clone"],
} as const satisfies Record<string, readonly Call[]>;

function longest<const C extends Call>(call: C) {
  const help = `Longest ${call}() that ended in the last period.`;
  return ofField("gauge", `${call}_ns`, help, "ns");
}

const TIMES = ofDurations("slots", "ns", "Duration of system calls.");

export const callTables = {
  proc_syscall: mapTable(task, {
    ...PROCESS,
    metrics: {
      syscall_failed: raises(ofField("counter", "failed", "System calls that failed.", "count"), {
        above: 0,
        says: "System calls that failed",
      }),
    },
  }),
  proc_syscall_io: mapTable(task, {
    ...PROCESS,
    metrics: {
      ns_mount: longest("mount"),
      ns_umount: longest("umount"),
      ns_read: longest("read"),
      ns_write: longest("write"),
      ns_fsync: longest("fsync"),
    },
  }),
  proc_syscall_net: mapTable(task, {
    ...PROCESS,
    metrics: { ns_sendmsg: longest("sendmsg"), ns_recvmsg: longest("recvmsg") },
  }),
  proc_syscall_sched: mapTable(task, {
    ...PROCESS,
    metrics: {
      ns_sched_yield: longest("sched_yield"),
      ns_futex: longest("futex"),
      ns_epoll_wait: longest("epoll_wait"),
      ns_epoll_pwait: longest("epoll_pwait"),
    },
  }),
  proc_syscall_fork: mapTable(task, {
    ...PROCESS,
    metrics: { ns_fork: longest("fork"), ns_vfork: longest("vfork"), ns_clone: longest("clone") },
  }),
  proc_syscall_ioctl: mapTable(task, {
    map: "proc_ioctl",
    entity: "proc",
    on: false,
    keys: {
      tgid: id("tgid"),
      ioctl_fd: id("fd"),
      ioctl_dir: id("dir"),
      ioctl_type: id("type"),
      ioctl_nr: id("nr"),
    },
    metrics: {
      ioctl_size: ofField("gauge", "size", "Size of its argument.", "bytes"),
      ns_ioctl: ofField("gauge", "max_ns", "Longest that ended in the last period.", "ns"),
    },
  }),
  proc_syscall_time: mapTable(task, {
    map: "proc_call_times",
    entity: "proc_syscall",
    on: false,
    keys: { tgid: id("tgid"), syscall: word("call", CALLS) },
    metrics: {
      seconds: TIMES,
    },
  }),
  proc_syscall_error: mapTable(task, {
    map: "proc_call_errors",
    entity: "proc_syscall",
    on: false,
    keys: {
      tgid: id("tgid"),
      syscall: callOf("machine", "number"),
      errno: errorOf("error"),
    },
    metrics: { errors: ofField("counter", "count", "System calls that failed so.", "count") },
  }),
} as const;

/** The bits of `calls_on`: calls that some table is about. */
export function callsOn(on: ReadonlySet<string>): number {
  const every = (1 << CALLS.length) - 1;
  if (on.has("proc_syscall_time")) return every;
  const wanted: Call[] = Object.entries(TABLE_CALLS)
    .filter(([table]) => on.has(table)).flatMap(([, calls]) => calls);
  if (on.has("proc_syscall_ioctl")) wanted.push("ioctl");
  return wanted.reduce((bits, call) => bits | 1 << CALLS.indexOf(call), 0);
}
