// SPDX-License-Identifier: MulanPSL-2.0
/**
 * The keys that a BPF map had in its readings, each with a number of its own while the map has it, and by that number
 * what tells whether it lives.
 */
import { ByteIndex } from "../core/byte_index.ts";
import { KeyView } from "../core/labels.ts";
import { type FeedOptions, positionOf, type Side } from "./feed_side.ts";
import type { RowLabels, RowViews } from "./row_labels.ts";
import type { MapReader, Row } from "./table_reader.ts";

export class FeedKeys {
  readonly #reader: MapReader;
  readonly #sides: readonly Side[];
  readonly #labels: readonly RowLabels[];
  /** Of those: with a text that may change while the key stays. */
  readonly #changing: readonly RowLabels[];
  readonly #index: ByteIndex;
  readonly #views: RowViews;
  /** Positions of the fields that tell life and changes, or -1. */
  readonly #alive: number;
  readonly #changes: number;
  /** By number: the fields' last values, whether it lived then, and the last reading that had the key. */
  readonly #lastAlive: number[] = [];
  readonly #lastChanges: number[] = [];
  readonly #lived: boolean[] = [];
  readonly #lastSeen: number[] = [];
  #reading = 0;
  #changed = false;
  #isSame = false;

  constructor(
    reader: MapReader,
    sides: readonly Side[],
    { alive, changes }: Omit<FeedOptions, "labels">,
  ) {
    this.#reader = reader;
    this.#sides = sides;
    this.#labels = [...new Set(sides.map((side) => side.labels))];
    this.#changing = this.#labels.filter((labels) => labels.changes);
    this.#index = new ByteIndex(reader.keySize);
    this.#views = {
      key: new KeyView(reader.layout.key),
      value: new KeyView(reader.layout.value),
    };
    this.#alive = positionOf(reader, alive);
    this.#changes = positionOf(reader, changes);
  }

  /** Number of the present reading, from 1. */
  get reading(): number {
    return this.#reading;
  }

  /** Reads the labels again that may have changed since the last reading. */
  checkLabels(number: number, row: Row): void {
    for (const labels of this.#changing) labels.check(number, this.at(row), this.#reading);
  }

  /** Numbers up to here have been given. */
  get count(): number {
    return this.#lastSeen.length;
  }

  begin(): void {
    this.#reading++;
  }

  /** The number of a row's key; a new key has no row in any table. */
  take(row: Row): number {
    let number = this.#index.find(row.keys, row.keyOffset);
    if (number < 0) {
      number = this.#index.add(row.keys, row.keyOffset);
      this.#lastAlive[number] = NaN;
      this.#lastChanges[number] = NaN;
      for (const labels of this.#labels) labels.forget(number);
      for (const side of this.#sides) side.slots[number] = -1;
    }
    this.#lastSeen[number] = this.#reading;
    const alive = this.#alive < 0 ? this.#reading : row.number(this.#alive);
    this.#changed = alive !== this.#lastAlive[number];
    this.#lastAlive[number] = alive;
    this.#noteChanges(number, row);
    return number;
  }

  #noteChanges(number: number, row: Row): void {
    if (this.#changes < 0) return;
    const changes = row.number(this.#changes);
    const lives = this.#changed;
    this.#isSame = changes === this.#lastChanges[number] && lives === this.#lived[number];
    this.#lastChanges[number] = changes;
    this.#lived[number] = lives;
  }

  /** Whether the row that was taken last has the same numbers as in the reading before, and lives or not as it did then. */
  get isSame(): boolean {
    return this.#isSame;
  }

  /** Whether the field of the key that was taken last has another value than in the reading before. */
  get hasChanged(): boolean {
    return this.#changed;
  }

  /** The field's last value. */
  alive(number: number): number {
    return this.#lastAlive[number]!;
  }

  isPresent(number: number): boolean {
    return this.#lastSeen[number] === this.#reading;
  }

  /** Valid until the next call that needs the key. */
  key(number: number): Uint8Array<ArrayBuffer> {
    return this.#index.key(number);
  }

  at(row: Row): RowViews {
    this.#views.key.at(row.keys, row.keyOffset);
    this.#views.value.at(row.values, row.valueOffset);
    return this.#views;
  }

  /** As the last `at` left them. */
  get views(): RowViews {
    return this.#views;
  }

  /** Drops keys that left the map, and deletes from the map those that `keeps` does not want. */
  forget(keeps: (number: number) => boolean, dropped: (number: number) => void = () => {}): void {
    const gone: number[] = [];
    for (let number = 0; number < this.#lastSeen.length; number++) {
      const seen = this.#lastSeen[number]!;
      if (seen < 0) continue;
      if (seen === this.#reading) {
        if (keeps(number)) continue;
        this.#reader.delete(this.#index.key(number).slice());
      }
      gone.push(number);
      this.#lastSeen[number] = -1;
      dropped(number);
    }
    this.#index.remove(gone);
  }
}
