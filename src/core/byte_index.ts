// SPDX-License-Identifier: MulanPSL-2.0
/** Finds the number of a key of fixed size by its bytes, without making a string of it. Numbers are reused. */

const EMPTY = -1;
const INITIAL_KEYS = 64;

export class ByteIndex {
  readonly #size: number;
  readonly #free: number[] = [];
  #keys: Uint8Array<ArrayBuffer>;
  /** Open addressing, at most half full: the key's number, or EMPTY. */
  #table: Int32Array;
  #next = 0;
  #count = 0;

  constructor(keySize: number) {
    this.#size = keySize;
    this.#keys = new Uint8Array(INITIAL_KEYS * keySize);
    this.#table = new Int32Array(INITIAL_KEYS * 4).fill(EMPTY);
  }

  get count(): number {
    return this.#count;
  }

  /** The number of the key that starts at `offset` of `bytes`; -1 if it is not known. */
  find(bytes: Uint8Array, offset: number): number {
    return this.#table[this.#place(bytes, offset)]!;
  }

  /** Number for a key that `find` did not know. */
  add(bytes: Uint8Array, offset: number): number {
    if (this.#count * 2 >= this.#table.length) this.#rehash(this.#table.length * 2);
    const number = this.#free.pop() ?? this.#next++;
    if ((number + 1) * this.#size > this.#keys.length) {
      const larger = new Uint8Array(this.#keys.length * 2);
      larger.set(this.#keys);
      this.#keys = larger;
    }
    this.#keys.set(bytes.subarray(offset, offset + this.#size), number * this.#size);
    this.#table[this.#place(bytes, offset)] = number;
    this.#count++;
    return number;
  }

  /** The bytes of a known key; valid until the next `add`. */
  key(number: number): Uint8Array<ArrayBuffer> {
    return this.#keys.subarray(number * this.#size, (number + 1) * this.#size);
  }

  /** Gives these numbers back; done together because it rebuilds the table. */
  remove(numbers: readonly number[]): void {
    if (numbers.length === 0) return;
    const gone = new Set(numbers);
    const rest = this.#table.filter((number) => number !== EMPTY && !gone.has(number));
    this.#table.fill(EMPTY);
    for (const number of rest) this.#table[this.#place(this.#keys, number * this.#size)] = number;
    for (const number of gone) this.#free.push(number);
    this.#count = rest.length;
  }

  #rehash(length: number): void {
    const old = this.#table;
    this.#table = new Int32Array(length).fill(EMPTY);
    for (const number of old) {
      if (number !== EMPTY) this.#table[this.#place(this.#keys, number * this.#size)] = number;
    }
  }

  /** Where the key stands in the table, or the empty place where it would. */
  #place(bytes: Uint8Array, offset: number): number {
    const mask = this.#table.length - 1;
    const size = this.#size;
    let hash = 0x811c9dc5; // FNV-1a
    for (let i = 0; i < size; i++) hash = Math.imul(hash ^ bytes[offset + i]!, 0x01000193);
    let at = (hash ^ hash >>> 15) & mask;
    for (;;) {
      const number = this.#table[at]!;
      if (number === EMPTY || this.#equals(number, bytes, offset)) return at;
      at = (at + 1) & mask;
    }
  }

  #equals(number: number, bytes: Uint8Array, offset: number): boolean {
    const base = number * this.#size;
    for (let i = 0; i < this.#size; i++) {
      if (this.#keys[base + i] !== bytes[offset + i]) return false;
    }
    return true;
  }
}
