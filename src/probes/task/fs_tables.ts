// SPDX-License-Identifier: MulanPSL-2.0
/** Tables of bpf/task_fs.h: how long files of each file system take to read, write, open and flush. */
import { id, ofValue, text, word } from "../../core/labels.ts";
import { mapTable, ofField } from "../../core/declare.ts";
import { ofDurations } from "../../core/durations.ts";
import type { MapTable } from "../../core/probe.ts";
import { task } from "../../gen/layouts.ts";

/** As the enum in bpf/task_fs.h. */
const FILE_SYSTEMS = ["ext4", "overlay", "tmpfs", "xfs", "btrfs"] as const;

type FileSystem = typeof FILE_SYSTEMS[number];
type Operation = "read" | "write" | "open" | "flush";

function longest(operation: Operation) {
  const help = `Longest ${operation} of a file there in the last period.`;
  return ofField("gauge", `${operation}_max_ns`, help, "ns");
}

function times(operation: Operation) {
  const help = `Duration of a ${operation} of a file.`;
  return ofDurations(`${operation}_slots`, `${operation}_ns`, help);
}

const OPERATIONS: readonly Operation[] = ["read", "write", "open", "flush"];

function fileSystem(name: FileSystem, operations = OPERATIONS): MapTable {
  return mapTable(task, {
    map: "proc_fs",
    entity: "proc",
    on: false,
    only: { field: "fs", value: FILE_SYSTEMS.indexOf(name) },
    keys: { tgid: id("tgid") },
    labels: { comm: ofValue(text("comm")) },
    metrics: Object.fromEntries(
      operations.map((operation) => [`ns_${name}_${operation}`, longest(operation)]),
    ),
  });
}

export const fsTables = {
  proc_ext4: fileSystem("ext4"),
  proc_overlay: fileSystem("overlay"),
  proc_tmpfs: fileSystem("tmpfs", ["read", "write", "flush"]),
  proc_xfs: fileSystem("xfs"),
  proc_btrfs: fileSystem("btrfs"),
  proc_fs_time: mapTable(task, {
    map: "proc_fs",
    entity: "proc_fs",
    on: false,
    keys: { tgid: id("tgid"), fs: word("fs", FILE_SYSTEMS) },
    labels: { comm: ofValue(text("comm")) },
    metrics: {
      read_seconds: times("read"),
      write_seconds: times("write"),
      open_seconds: times("open"),
      flush_seconds: times("flush"),
    },
  }),
} as const;

/** The bits of `fs_on`. */
export function fileSystemsOn(on: ReadonlySet<string>): number {
  if (on.has("proc_fs_time")) return (1 << FILE_SYSTEMS.length) - 1;
  return FILE_SYSTEMS.reduce((bits, name, i) => on.has(`proc_${name}`) ? bits | 1 << i : bits, 0);
}
