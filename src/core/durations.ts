// SPDX-License-Identifier: MulanPSL-2.0
/** Histograms of durations, as bpf/duration.h counts them: in nanoseconds, shown in seconds. */
import { log2Bounds, ofBuckets } from "./declare.ts";

/** DURATION_SLOTS. */
const SLOTS = 24;
/** The first bound of duration_slot(), in seconds. */
const FIRST = 1.024e-6;
const BOUNDS = log2Bounds(SLOTS, FIRST);

/** From an array of buckets and a sum, fields of a map's value. */
export function ofDurations<const Field extends string, const Sum extends string>(
  field: Field,
  sum: Sum,
  help: string,
) {
  return ofBuckets({ field, sum, scale: 1e-9 }, BOUNDS, help, "seconds");
}
