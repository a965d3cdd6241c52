// SPDX-License-Identifier: MulanPSL-2.0
/** Rows for the channel `logs`: Prometheus text with the time. */
import { familyName } from "../core/store.ts";
import type { ByteWriter } from "./byte_writer.ts";
import { histogramOf, type MetricPlace, metricPlaces, perTable, type RowForm } from "./row_form.ts";

const encoder = new TextEncoder();

/** `gala_gopher_<entity>_<metric>{<labels>} <value> <timestamp>`, and an empty line behind each table. */
export function textRows(): RowForm {
  const plans = perTable((table) =>
    metricPlaces(table, (name) => familyName(table.spec, name))
      .map((place) => ({ place, histogram: histogramTextOf(place) }))
  );
  return {
    write(out, rows, now) {
      const { table, slots, columns } = rows;
      const end = encoder.encode(` ${now}\n`);
      const stamp = () => {
        out.length--; // the end of the line
        out.append(end);
      };
      for (let i = 0; i < slots.length; i++) {
        const slot = slots[i]!;
        const labels = table.labelText(slot);
        for (const { place, histogram } of plans(table)) {
          const value = columns[place.column]![slot]!;
          if (Number.isNaN(value)) continue;
          if (histogram === undefined) {
            out.sample(place.name, labels, value);
            stamp();
          } else writeHistogramText(out, histogram, histogramOf(place, rows, slot)!, labels, stamp);
        }
      }
      out.text("\n");
      return slots.length;
    },
  };
}

/** The original's names: no `_bucket`, and the largest value beside the sum. */
interface HistogramNames {
  readonly name: Uint8Array;
  readonly sum: Uint8Array;
  readonly max: Uint8Array;
  /** `,le="50"}` for each bound, and for +Inf. */
  readonly les: readonly Uint8Array[];
}

function histogramTextOf({ name, bounds }: MetricPlace): HistogramNames | undefined {
  if (bounds === undefined) return undefined;
  const text = new TextDecoder().decode(name);
  return {
    name,
    sum: encoder.encode(`${text}_sum`),
    max: encoder.encode(`${text}_max`),
    les: [...bounds.map(String), "+Inf"].map((le) => encoder.encode(`,le="${le}"}`)),
  };
}

function writeHistogramText(
  out: ByteWriter,
  names: HistogramNames,
  { pairs, count, sum, max }: NonNullable<ReturnType<typeof histogramOf>>,
  labels: Uint8Array,
  stamp: () => void,
): void {
  const counts = [...pairs.map(([, upTo]) => upTo), count];
  for (let i = 0; i < counts.length; i++) {
    out.sampleWith(names.name, labels, names.les[i]!, counts[i]!);
    stamp();
  }
  for (const [name, value] of [[names.sum, sum], [names.max, max]] as const) {
    if (Number.isNaN(value)) continue;
    out.sample(name, labels, value);
    stamp();
  }
}
