// SPDX-License-Identifier: MulanPSL-2.0
/** Label texts of a map's keys, decoded once a key for all tables that show the same labels. */
import type { KeyView, LabelHost, LabelReader } from "../core/labels.ts";

/** The two sides of a map's row. */
export interface RowViews {
  readonly key: KeyView;
  readonly value: KeyView;
}

export class RowLabels {
  /** Whether a label may change while its key stays. */
  readonly changes: boolean;
  readonly #readers: readonly LabelReader[];
  readonly #host: LabelHost;
  /** Positions of the labels that may change. */
  readonly #changing: readonly number[];
  /** By the number of the key. */
  readonly #texts: (readonly string[] | undefined)[] = [];
  readonly #changedIn: number[] = [];

  constructor(readers: readonly LabelReader[], host: LabelHost) {
    this.#readers = readers;
    this.#host = host;
    this.#changing = readers.flatMap(({ changes }, i) => changes === true ? [i] : []);
    this.changes = this.#changing.length > 0;
  }

  /** Whether these readers are ours. */
  isOf(readers: readonly LabelReader[]): boolean {
    return readers.length === this.#readers.length &&
      readers.every((reader, i) => reader === this.#readers[i]);
  }

  read(number: number, views: RowViews): readonly string[] {
    return this.#texts[number] ??= this.#readers.map((label) =>
      label.read(views[label.part ?? "key"], this.#host)
    );
  }

  /** Whether the labels of this number were read. */
  has(number: number): boolean {
    return this.#texts[number] !== undefined;
  }

  /** Reads the labels again that may change. */
  check(number: number, views: RowViews, reading: number): void {
    const before = this.#texts[number];
    if (before === undefined) return;
    for (const i of this.#changing) {
      const label = this.#readers[i]!;
      const text = label.read(views[label.part ?? "key"], this.#host, before[i]);
      if (text === before[i]) continue;
      this.#texts[number] = this.#texts[number]!.map((old, at) => at === i ? text : old);
      this.#changedIn[number] = reading;
    }
  }

  /** Whether one was another one when it was checked in this reading. */
  hasChanged(number: number, reading: number): boolean {
    return this.#changedIn[number] === reading;
  }

  /** The number is another key's from now on. */
  forget(number: number): void {
    this.#texts[number] = undefined;
  }
}
