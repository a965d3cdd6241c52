// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Memory errors by DIMM, as the kernel's memory controller drivers (EDAC) have counted them since they were loaded.
 *
 * The original adds up the events of ras:mc_event, so what came before its start is missing there; it also has deferred
 * and fatal errors by name, which here are among the uncorrected, and its key `name` is "mem" in all rows. Where the
 * kernel has no such driver there is no row, as on most virtual machines.
 */
import { counter, nativeProbe, table } from "../core/declare.ts";
import type { Read } from "../core/probe.ts";
import { Scanner } from "../core/scan.ts";
import { ERROR_TYPES, type ErrorCount, findErrorCounts } from "./edac_counts.ts";

/** Drivers may be loaded later, and DIMMs be given labels. Where there is none a look takes 17 us. */
const LOOK_SECONDS = 30;

const TABLES = {
  mem_mc_event: table({
    entity: "hw",
    keys: ["name"],
    labels: ["err_type", "label", "mc_index", "top_layer", "mid_layer"],
    distinct: 1,
    metrics: {
      error_count: counter("Memory errors, of a DIMM or of an unknown place.", "count"),
    },
  }),
};

export default nativeProbe({
  name: "system_edac",
  help: "Memory errors by DIMM, from /sys/devices/system/edac.",
  partOf: ["hw"],
  tables: TABLES,
  open(files) {
    const scan = new Scanner();
    let counts: readonly ErrorCount[] = [];
    let dropped = 0;
    let sinceLook = Infinity;
    const read: Read<typeof TABLES> = ({ mem_mc_event }, elapsed) => {
      sinceLook += elapsed;
      if (!(sinceLook < LOOK_SECONDS)) {
        const found = findErrorCounts(files);
        counts = found.counts;
        dropped += found.dropped;
        sinceLook = 0;
      }
      for (const { path, name, type, label, place } of counts) {
        const bytes = files.readOptional(path);
        const errors = bytes === undefined ? NaN : scan.over(bytes).number();
        if (!(errors >= 0)) continue;
        mem_mc_event.row(name, ERROR_TYPES[type], label, ...place).set("error_count", errors);
      }
    };
    return { read, losses: () => ({ too_many_dimms: dropped }) };
  },
});
