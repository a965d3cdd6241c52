// SPDX-License-Identifier: MulanPSL-2.0
/** Block devices, the I/O of processes and the page cache. Kernel side: bpf/io.bpf.c. */
import { observedConstants, observedEntries, observeKeys, topKey } from "../core/observe.ts";
import { bpfProbe } from "../core/declare.ts";
import { io } from "../gen/layouts.ts";
import { diskTables } from "./io/disk_tables.ts";
import { processTables } from "./io/process_tables.ts";
import { sliTables } from "./io/sli_tables.ts";

const LATENCY_TABLES = [
  "block",
  "io_latency",
  "io_latency_histogram",
  "io_stage_histogram",
  "io_err",
] as const;
const SLI_TABLES = Object.keys(sliTables);
const PROCESS_TABLES = ["proc_io", "thread_io", ...SLI_TABLES];

export default bpfProbe({
  name: "io",
  help: "Block devices, what processes read and write, and the page cache; from tracepoints.",
  partOf: ["blockprobe", "proc", "sli"],
  layout: io,
  settings: { ...observeKeys(), top: topKey },
  constants: (settings, on) => ({
    ...observedConstants(settings),
    disk_on: Number(LATENCY_TABLES.some((table) => on.has(table))),
    count_on: Number(on.has("io_count")),
    process_on: Number(PROCESS_TABLES.some((table) => on.has(table))),
    thread_on: Number(on.has("thread_io")),
    sli_on: Number(SLI_TABLES.some((table) => on.has(table))),
    page_disk_on: Number(on.has("io_pagecache")),
    page_process_on: Number(on.has("proc_page")),
  }),
  entries: observedEntries,
  mostUsed: (settings) => ({
    rows: settings.number("top"),
    ranks: {
      proc_io: [["small_reads", "small_writes", "large_reads", "large_writes"]],
      thread_io: [["read_bytes", "write_bytes"]],
      proc_page: [["accessed", "loaded", "dirtied", "buffers_dirtied"]],
    },
  }),
  iterators: [{ program: "io_reading" }],
  optional: ["io_hang", "io_page_access", "io_buffer_dirty", "io_page_load", "io_page_dirty"],
  alive: "reading",
  lacking: {
    "block.conn_err_*": "errors of iSCSI connections pass no tracepoint",
    "block.count_sas_abort": "aborts of SAS tasks pass no tracepoint",
    "thread_io.iowait_us": "is iowait_us of table thread_cpu of probe task",
  },
  tables: { ...diskTables, ...processTables, ...sliTables },
});
