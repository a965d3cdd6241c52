// SPDX-License-Identifier: MulanPSL-2.0
/** Series of a histogram: cumulative buckets with their `le` label, sum and count. */
import type { Table } from "../core/table.ts";
import { type ByteWriter, lastingText } from "./byte_writer.ts";

/** What is the same for each row of a histogram. */
export interface HistogramText {
  /** `,le="0.5"}` for each bucket, the last with +Inf. */
  readonly les: readonly Uint8Array[];
  readonly bucketName: Uint8Array;
  readonly sumName: Uint8Array;
  readonly countName: Uint8Array;
}

/** `boundText`: how the form writes a bound. */
export function histogramText(
  name: string,
  bounds: readonly number[],
  boundText: (bound: number) => string,
): HistogramText {
  return {
    les: [...bounds.map(boundText), "+Inf"].map((le) => lastingText(`,le="${le}"}`)),
    bucketName: lastingText(`${name}_bucket`),
    sumName: lastingText(`${name}_sum`),
    countName: lastingText(`${name}_count`),
  };
}

/** OpenMetrics wants a point or an exponent in each bound, as Go prints it: `1.0`, `1e+06`, `1e-05`. */
export function canonicalBound(bound: number): string {
  const [mantissa = "", exponent = "0"] = bound.toExponential().split("e");
  const power = Number(exponent);
  if (power >= -4 && power < 6) return Number.isInteger(bound) ? `${bound}.0` : String(bound);
  const digits = String(Math.abs(power)).padStart(2, "0");
  return `${mantissa}e${power < 0 ? "-" : "+"}${digits}`;
}

/** Writes a row's series and returns their number; a row without counts has none, one without sum only buckets. */
export function writeHistogram(
  out: ByteWriter,
  { les, bucketName, sumName, countName }: HistogramText,
  table: Table,
  column: number,
  slot: number,
): number {
  if (Number.isNaN(table.get(slot, column))) return 0;
  const labels = table.labelText(slot);
  let count = 0;
  for (let i = 0; i < les.length; i++) {
    count += table.get(slot, column + i);
    out.sampleWith(bucketName, labels, les[i]!, count);
  }
  const sum = table.get(slot, column + les.length);
  // OpenMetrics allows a count only beside a sum.
  if (Number.isNaN(sum)) return les.length;
  out.sample(sumName, labels, sum);
  out.sample(countName, labels, count);
  return les.length + 2;
}
