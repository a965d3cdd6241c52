// SPDX-License-Identifier: MulanPSL-2.0
/** Tables of bpf/io_disk.h: latencies, bytes, errors and page cache per disk. */
import { errorOf } from "../../core/call_names.ts";
import { id, type LabelReader, ofValue, text } from "../../core/labels.ts";
import { filledBy, mapTable, ofField, raises } from "../../core/declare.ts";
import { ofDurations } from "../../core/durations.ts";
import { io } from "../../gen/layouts.ts";

const DISK_TYPES: readonly (readonly [prefix: string, type: string])[] = [
  ["loop", "loop"],
  ["dm-", "lvm"],
  ["md", "raid"],
  ["sr", "rom"],
  ["zram", "disk"],
];

/** As lsblk would call it. */
const typeOfDisk: LabelReader<"name"> = {
  fields: ["name"],
  read: (value, host) => {
    const name = text("name").read(value, host);
    return DISK_TYPES.find(([prefix]) => name.startsWith(prefix))?.[1] ?? "disk";
  },
};

const DISK = {
  map: "disks",
  entity: "block",
  keys: { major: id("major"), first_minor: id("first_minor") },
  labels: { blk_name: ofValue(text("name")), disk_name: ofValue(text("name")) },
} as const;

const STAGES = {
  req: "a request from its start to its completion",
  flush: "a flush of the device's cache",
  driver: "a request until it goes to the device",
  device: "a request in the device",
} as const;

type Stage = keyof typeof STAGES;

/** The five metrics of a stage; `scale`: from nanoseconds. */
function latency<const S extends Stage>(stage: S, unit: string, scale: number) {
  const what = STAGES[stage];
  const of = (field: "max" | "last" | "jitter", help: string) =>
    ofField("gauge", `${stage}_${field}`, help, unit, scale);
  const longest = of("max", `Longest time of ${what} in the last period.`);
  const jitter = of("jitter", `Largest change from one to the next: ${what}.`);
  // The original looks at requests and flushes only.
  const judged = stage === "req" || stage === "flush";
  return {
    [`latency_${stage}_max`]: judged
      ? raises(longest, { above: "latency_thr", says: `Longest time of ${what}` })
      : longest,
    [`latency_${stage}_last`]: of("last", `Time of the last: ${what}.`),
    [`latency_${stage}_sum`]: ofField("counter", `${stage}_sum`, `Time of ${what}.`, unit, scale),
    [`latency_${stage}_jitter`]: judged
      ? raises(jitter, { above: "jitter_thr", says: `Change of the time of ${what}` })
      : jitter,
    [`count_latency_${stage}`]: ofField("counter", `${stage}_count`, `How often ${what}.`, "count"),
  };
}

function latencies(unit: string, scale: number, stages: readonly Stage[]) {
  return Object.assign({}, ...stages.map((stage) => latency(stage, unit, scale))) as ReturnType<
    typeof latency
  >;
}

function times(stage: Stage) {
  return ofDurations(`${stage}_slots`, `${stage}_sum`, `Time of ${STAGES[stage]}.`);
}

const pages =
  (program: "io_page_access" | "io_buffer_dirty" | "io_page_load" | "io_page_dirty") =>
  (
    field: "accessed" | "buffers_dirtied" | "loaded" | "dirtied",
    help: string,
  ) => filledBy(program, ofField("counter", field, help, "pages"));

const LATENCY_PROGRAMS = ["io_issue", "io_complete"] as const;
const PAGE_PROGRAMS = [
  "io_page_access",
  "io_buffer_dirty",
  "io_page_load",
  "io_page_dirty",
] as const;

export const diskTables = {
  block: mapTable(io, {
    ...DISK,
    programs: LATENCY_PROGRAMS,
    labels: { blk_type: ofValue(typeOfDisk), ...DISK.labels },
    metrics: latencies("us", 1e-3, ["req", "flush", "driver", "device"]),
  }),
  // The same numbers in the unit of later versions: not both at a time, for they have one name.
  io_latency: mapTable(io, {
    ...DISK,
    programs: LATENCY_PROGRAMS,
    on: false,
    insteadOf: ["block"],
    metrics: latencies("ns", 1, ["req", "driver", "device"]),
  }),
  io_latency_histogram: mapTable(io, {
    ...DISK,
    programs: LATENCY_PROGRAMS,
    entity: "block_time",
    metrics: {
      request_seconds: times("req"),
    },
  }),
  // Three times as many series, and `block` has what each stage takes on average.
  io_stage_histogram: mapTable(io, {
    ...DISK,
    programs: LATENCY_PROGRAMS,
    on: false,
    entity: "block_time",
    metrics: {
      flush_seconds: times("flush"),
      driver_seconds: times("driver"),
      device_seconds: times("device"),
    },
  }),
  io_count: mapTable(io, {
    ...DISK,
    programs: ["io_queue"],
    metrics: {
      read_bytes: ofField("counter", "read_bytes", "Bytes asked for.", "bytes"),
      write_bytes: ofField("counter", "write_bytes", "Bytes given to be written.", "bytes"),
    },
  }),
  io_err: mapTable(io, {
    ...DISK,
    programs: LATENCY_PROGRAMS,
    labels: { ...DISK.labels, last_error: ofValue(errorOf("last_errno")) },
    metrics: {
      err_count: raises(
        ofField("counter", "errors", "Requests that failed, parts counted apart.", "count"),
        { above: 0, says: "Requests that failed" },
      ),
      err_code: ofField(
        "gauge",
        "last_errno",
        "Error of the last that failed; 0: none did.",
        "errno",
      ),
    },
  }),
  block_iscsi: mapTable(io, {
    ...DISK,
    programs: ["io_scsi_timeout", "io_scsi_error"],
    on: false,
    labels: { blk_type: ofValue(typeOfDisk), ...DISK.labels },
    metrics: {
      count_iscsi_tmout: raises(
        ofField("counter", "scsi_timeouts", "Commands that took too long.", "count"),
        { above: 0, says: "Commands that took too long" },
      ),
      count_iscsi_err: raises(
        ofField("counter", "scsi_errors", "Commands not accepted.", "count"),
        { above: 0, says: "Commands not accepted" },
      ),
    },
  }),
  io_pagecache: mapTable(io, {
    ...DISK,
    programs: PAGE_PROGRAMS,
    on: false,
    metrics: {
      access_pagecache: pages("io_page_access")("accessed", "Pages of files asked for."),
      mark_buffer_dirty: pages("io_buffer_dirty")("buffers_dirtied", "Buffers changed."),
      load_page_cache: pages("io_page_load")("loaded", "Pages brought into the cache."),
      mark_page_dirty: pages("io_page_dirty")("dirtied", "Pages changed."),
    },
  }),
} as const;
