// SPDX-License-Identifier: MulanPSL-2.0
/** The Prometheus page: all tables of the store as text, encoded in slices that leave the event loop free. */
import { setImmediate } from "node:timers/promises";
import { familyName, type Store } from "../core/store.ts";
import {
  columnsOf,
  type MetricSpec,
  type MetricType,
  type NumberType,
  renderLabels,
  type Table,
} from "../core/table.ts";
import { ByteWriter, lastingText } from "./byte_writer.ts";
import {
  canonicalBound,
  type HistogramText,
  histogramText,
  writeHistogram,
} from "./histogram_text.ts";

/** Prometheus text 0.0.4, or OpenMetrics 1.0.0. */
export type ExpositionForm = "text" | "openmetrics";

export const CONTENT_TYPES: Readonly<Record<ExpositionForm, string>> = {
  text: "text/plain; version=0.0.4; charset=utf-8",
  openmetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8",
};

/** A family that does not come from a table. One that is given again may have other samples, all else is as it was. */
export interface LooseFamily {
  readonly name: string;
  readonly type: NumberType;
  readonly help: string;
  readonly samples: readonly LooseSample[];
}

/** Its labels never change: their text is made once for each such object. */
export interface LooseSample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Other work waits about this long for the encoder, and then for as long again to be told so. */
const SLICE_MS = 2;
/** Numbers between two looks at the clock: about 0.1 ms. */
const NUMBERS_PER_LOOK = 256;

interface Source {
  readonly table: Table;
  readonly column: number;
  /** Of a histogram, in each form. */
  readonly histogram?: Readonly<Record<ExpositionForm, HistogramText>>;
  /** Rows between two looks at the clock. */
  readonly rowsPerLook: number;
}

interface Family {
  readonly name: string;
  readonly nameBytes: Uint8Array;
  readonly type: MetricType;
  readonly help: string;
  readonly sources: Source[];
}

interface Plan {
  readonly layoutVersion: number;
  readonly families: readonly Family[];
  /** Made for a form when it is asked for. */
  readonly headers: Partial<Record<ExpositionForm, readonly Uint8Array[]>>;
  readonly isTaken: { has(name: string): boolean };
}

const EOF = lastingText("# EOF\n");

export class Exposition {
  readonly #store: Store;
  readonly #loose = new LooseWriter();
  #plan: Plan = { layoutVersion: -1, families: [], headers: {}, isTaken: new Set() };

  constructor(store: Store) {
    this.#store = store;
  }

  /** Appends the whole page to `out` and returns its number of series. */
  async encode(
    form: ExpositionForm,
    out: ByteWriter,
    loose: readonly LooseFamily[] = [],
  ): Promise<number> {
    using _ = this.#store.read();
    const plan = this.#currentPlan();
    const { families } = plan;
    const headers = headersOf(plan, form);
    let sliceEnd = performance.now() + SLICE_MS;
    let series = 0;
    for (let i = 0; i < families.length; i++) {
      const family = families[i]!;
      const start = out.length;
      out.append(headers[i]!);
      const first = series;
      for (const source of family.sources) {
        const { table, rowsPerLook } = source;
        for (let slot = 0; slot < table.slots; slot += rowsPerLook) {
          series += source.histogram === undefined
            ? writeRows(out, family.nameBytes, source, slot)
            : writeHistograms(out, source.histogram[form], source, slot);
          if (performance.now() < sliceEnd) continue;
          await setImmediate();
          sliceEnd = performance.now() + SLICE_MS;
        }
      }
      if (series === first) out.length = start;
    }
    series += this.#loose.write(out, form, loose);
    if (form === "openmetrics") out.append(EOF);
    return series;
  }

  #currentPlan(): Plan {
    const { layoutVersion } = this.#store;
    if (this.#plan.layoutVersion !== layoutVersion) {
      this.#plan = makePlan([...this.#store.tables], layoutVersion);
    }
    return this.#plan;
  }
}

/** All metrics by family, so that a family is contiguous even when several tables contribute to it. */
function makePlan(tables: readonly Table[], layoutVersion: number): Plan {
  const byName = new Map<string, Family>();
  for (const table of tables) {
    for (const [metric, metricSpec] of Object.entries(table.spec.metrics)) {
      const { type, help } = metricSpec;
      const name = familyName(table.spec, metric);
      let family = byName.get(name);
      if (family === undefined) {
        family = { name, nameBytes: lastingText(name), type, help, sources: [] };
        byName.set(name, family);
      }
      family.sources.push(sourceOf(name, metricSpec, table, table.column(metric)));
    }
  }
  return { layoutVersion, families: [...byName.values()], headers: {}, isTaken: byName };
}

function headersOf(plan: Plan, form: ExpositionForm): readonly Uint8Array[] {
  return plan.headers[form] ??= plan.families.map((family) =>
    lastingText(headerOf(form, family, plan.isTaken))
  );
}

function sourceOf(name: string, metric: MetricSpec, table: Table, column: number): Source {
  const rowsPerLook = Math.max(1, Math.floor(NUMBERS_PER_LOOK / columnsOf(metric)));
  if (metric.type !== "histogram") return { table, column, rowsPerLook };
  const histogram = {
    text: histogramText(name, metric.bounds, String),
    openmetrics: histogramText(name, metric.bounds, canonicalBound),
  };
  return { table, column, histogram, rowsPerLook };
}

/**
 * HELP and TYPE. OpenMetrics names a counter's family without the `_total` that its samples must have; a counter
 * without that suffix, or one whose family would collide with another, is announced as of unknown type.
 */
function headerOf(
  form: ExpositionForm,
  { name, type, help }: { name: string; type: MetricType; help: string },
  taken: { has(name: string): boolean },
): string {
  const escaped = help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
  if (form === "text") return `# HELP ${name} ${escaped}\n# TYPE ${name} ${type}\n`;
  let announced: string = name;
  let kind: string = type;
  if (type === "counter") {
    const base = name.slice(0, -"_total".length);
    if (name.endsWith("_total") && !taken.has(base)) announced = base;
    else kind = "unknown";
  }
  return `# HELP ${announced} ${escaped.replaceAll('"', '\\"')}\n# TYPE ${announced} ${kind}\n`;
}

/** Writes some rows of one metric and returns how many had a value. */
function writeRows(
  out: ByteWriter,
  name: Uint8Array,
  { table, column, rowsPerLook }: Source,
  from: number,
): number {
  const values = table.values(column);
  const end = Math.min(from + rowsPerLook, table.slots);
  let written = 0;
  for (let slot = from; slot < end; slot++) {
    const value = values[slot]!;
    if (Number.isNaN(value) || !table.isRow(slot)) continue;
    out.sample(name, table.labelText(slot), value);
    written++;
  }
  return written;
}

function writeHistograms(
  out: ByteWriter,
  histogram: HistogramText,
  { table, column, rowsPerLook }: Source,
  from: number,
): number {
  const end = Math.min(from + rowsPerLook, table.slots);
  let written = 0;
  for (let slot = from; slot < end; slot++) {
    if (table.isRow(slot)) written += writeHistogram(out, histogram, table, column, slot);
  }
  return written;
}

/** Writes families that come from no table; what their text is made of is kept from page to page. */
class LooseWriter {
  readonly #names = new WeakMap<LooseFamily, Uint8Array>();
  readonly #headers: Readonly<Record<ExpositionForm, WeakMap<LooseFamily, Uint8Array>>> = {
    text: new WeakMap(),
    openmetrics: new WeakMap(),
  };
  readonly #labelTexts = new WeakMap<LooseSample["labels"], Uint8Array>();

  /** Returns how many samples had a value. */
  write(out: ByteWriter, form: ExpositionForm, families: readonly LooseFamily[]): number {
    let series = 0;
    for (const family of families) {
      const start = out.length;
      out.append(this.#header(form, family, families));
      const first = series;
      const name = this.#name(family);
      for (const { labels, value } of family.samples) {
        if (Number.isNaN(value)) continue;
        out.sample(name, this.#labelText(labels), value);
        series++;
      }
      if (series === first) out.length = start;
    }
    return series;
  }

  #header(form: ExpositionForm, family: LooseFamily, all: readonly LooseFamily[]): Uint8Array {
    const known = this.#headers[form].get(family);
    if (known !== undefined) return known;
    const header = lastingText(headerOf(form, family, new Set(all.map(({ name }) => name))));
    this.#headers[form].set(family, header);
    return header;
  }

  #name(family: LooseFamily): Uint8Array {
    let name = this.#names.get(family);
    if (name === undefined) this.#names.set(family, name = lastingText(family.name));
    return name;
  }

  #labelText(labels: LooseSample["labels"]): Uint8Array {
    let text = this.#labelTexts.get(labels);
    if (text === undefined) {
      text = lastingText(renderLabels(Object.keys(labels), Object.values(labels)));
      this.#labelTexts.set(labels, text);
    }
    return text;
  }
}
