// SPDX-License-Identifier: MulanPSL-2.0
/** Tables of bpf/io_sli.h: how long bios of containers and of the host take. */
import { mapTable, ofBuckets, ofField } from "../../core/declare.ts";
import { SLI_BOUNDS, SLI_CONTAINER, SLI_NODE } from "../../core/sli.ts";
import { io } from "../../gen/layouts.ts";

const TOTAL = {
  bio_latency: ofField("counter", "ns", "Time that its reads and writes took together.", "ns"),
};
const TIMES = {
  bio_latency_histo: ofBuckets(
    { field: "slots", sum: "ns" },
    SLI_BOUNDS,
    "How long reads and writes took.",
    "ns",
  ),
};

const PROGRAMS = ["io_queue", "io_complete", "io_bio_complete"] as const;

const CONTAINER = { ...SLI_CONTAINER, map: "sli_io_containers", programs: PROGRAMS } as const;
const NODE = { ...SLI_NODE, map: "sli_io_node", programs: PROGRAMS } as const;

export const sliTables = {
  sli_io_container_gauge: mapTable(io, { ...CONTAINER, metrics: TOTAL }),
  sli_io_container_histogram: mapTable(io, { ...CONTAINER, metrics: TIMES }),
  sli_io_node_gauge: mapTable(io, { ...NODE, metrics: TOTAL }),
  sli_io_node_histogram: mapTable(io, { ...NODE, metrics: TIMES }),
} as const;
