// SPDX-License-Identifier: MulanPSL-2.0
/** Tables of bpf/io_process.h and bpf/io_page.h: I/O and page cache of processes and threads. */
import { id, ofValue, text } from "../../core/labels.ts";
import { filledBy, mapTable, ofField, raises } from "../../core/declare.ts";
import { io } from "../../gen/layouts.ts";

const hangs = (help: string) =>
  raises(filledBy("io_hang", ofField("counter", "hangs", help, "count")), {
    above: 0,
    says: "Times it was reported to hang",
  });
const bioErrors = raises(
  ofField("counter", "errors", "Reads and writes that failed.", "count"),
  { above: 0, says: "Reads and writes that failed" },
);

const BIO_PROGRAMS = ["io_queue", "io_complete", "io_bio_complete", "io_hang"] as const;
const PAGE_PROGRAMS = [
  "io_page_access",
  "io_buffer_dirty",
  "io_page_load",
  "io_page_dirty",
  "io_reclaim_begin",
  "io_reclaim_end",
] as const;

const COMM = { comm: ofValue(text("comm")) } as const;

export const processTables = {
  proc_io: mapTable(io, {
    map: "proc_io",
    programs: BIO_PROGRAMS,
    entity: "proc",
    keys: { tgid: id("tgid") },
    labels: COMM,
    metrics: {
      less_4k_io_read: ofField("counter", "small_reads", "Reads below 4 KiB.", "count"),
      less_4k_io_write: ofField("counter", "small_writes", "Writes below 4 KiB.", "count"),
      greater_4k_io_read: ofField("counter", "large_reads", "Reads of 4 KiB or more.", "count"),
      greater_4k_io_write: ofField("counter", "large_writes", "Writes of 4 KiB or more.", "count"),
      bio_latency: ofField("gauge", "max_ns", "Longest that ended in the last period.", "ns"),
      bio_err_count: bioErrors,
      hang_count: hangs("Times a thread was reported to hang."),
    },
  }),
  thread_io: mapTable(io, {
    map: "thread_io",
    programs: BIO_PROGRAMS,
    entity: "thread",
    on: false,
    keys: { pid: id("pid") },
    labels: { tgid: ofValue(id("tgid")), comm: ofValue(text("comm")) },
    metrics: {
      bio_bytes_read: ofField("counter", "read_bytes", "Bytes read from devices.", "bytes"),
      bio_bytes_write: ofField("counter", "write_bytes", "Bytes written to devices.", "bytes"),
      bio_err_count: bioErrors,
      hang_count: hangs("Times it was reported to hang."),
    },
  }),
  proc_page: mapTable(io, {
    map: "proc_page",
    programs: PAGE_PROGRAMS,
    entity: "proc",
    on: false,
    keys: { tgid: id("tgid") },
    labels: COMM,
    metrics: {
      reclaim_ns: ofField(
        "gauge",
        "reclaim_max_ns",
        "Longest search for free memory in the last period.",
        "ns",
      ),
      access_pagecache: filledBy(
        "io_page_access",
        ofField("counter", "accessed", "Pages of files asked for.", "pages"),
      ),
      mark_buffer_dirty: filledBy(
        "io_buffer_dirty",
        ofField("counter", "buffers_dirtied", "Buffers changed.", "count"),
      ),
      load_page_cache: filledBy(
        "io_page_load",
        ofField("counter", "loaded", "Pages brought into the cache.", "pages"),
      ),
      mark_page_dirty: filledBy(
        "io_page_dirty",
        ofField("counter", "dirtied", "Pages changed.", "pages"),
      ),
    },
  }),
} as const;
