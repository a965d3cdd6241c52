// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Numbers that a file of the kernel gives by name, and the metrics that show them.
 *
 * Kernels differ in which names they have: the metric of a name that is not there is left out.
 */
import type { RowWriter } from "./probe.ts";
import { type Scanner, WordList } from "./scan.ts";
import type { MetricSpec, NumberSpec } from "./table.ts";

/** A metric that is one named number of a file. */
export interface NamedMetric extends NumberSpec {
  /** The kernel's name. */
  readonly from: string;
  /** The exported number is the kernel's times this. */
  readonly scale: number;
}

export function named(from: string, spec: NumberSpec, scale = 1): NamedMetric {
  return { ...spec, from, scale };
}

type Metrics = Readonly<Record<string, MetricSpec>>;

interface Shown {
  readonly metric: string;
  readonly index: number;
  readonly scale: number;
}

export class NamedNumbers {
  readonly #words: WordList;
  readonly #values: Float64Array;
  readonly #shown: readonly Shown[][];
  /** How many numbers were set since the last `clear`. */
  #known = 0;

  /** For the named metrics of these tables. */
  constructor(tables: readonly Metrics[]) {
    const indexes = new Map<string, number>();
    this.#shown = tables.map((metrics) =>
      Object.entries(metrics).filter(isNamed).map(([metric, { from, scale }]) => {
        const index = indexes.get(from) ?? indexes.size;
        indexes.set(from, index);
        return { metric, index, scale };
      })
    );
    this.#words = new WordList([...indexes.keys()]);
    this.#values = new Float64Array(indexes.size).fill(NaN);
  }

  /** Whether any number is known. */
  get known(): boolean {
    return this.#known > 0;
  }

  clear(): void {
    this.#values.fill(NaN);
    this.#known = 0;
  }

  /** Index of the number that the word found last names, or -1. */
  find(scan: Scanner): number {
    return this.#words.indexOf(scan);
  }

  /** The first of two numbers of one name counts; what is no number, or below 0, does not. */
  set(index: number, value: number): void {
    if (index < 0 || !(value >= 0) || !Number.isNaN(this.#values[index]!)) return;
    this.#values[index] = value;
    this.#known++;
  }

  /** Reads lines of a name and a number, such as those of /proc/vmstat. */
  scanLines(scan: Scanner): void {
    this.clear();
    for (; !scan.ended; scan.nextLine()) {
      const index = scan.word() ? this.find(scan) : -1;
      if (index >= 0) this.set(index, scan.number());
    }
  }

  /** Sets the metrics of the `table`th of the tables. */
  show(row: RowWriter, table = 0): void {
    for (const { metric, index, scale } of this.#shown[table]!) {
      row.set(metric, this.#values[index]! * scale);
    }
  }
}

function isNamed(entry: [string, MetricSpec]): entry is [string, NamedMetric] {
  return "from" in entry[1];
}
