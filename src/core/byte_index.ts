// SPDX-License-Identifier: MulanPSL-2.0
/** Finds the number of a key of fixed size by its bytes, without making a string of it. Numbers are reused. */

const EMPTY = -1;
const INITIAL_KEYS = 64;

export class ByteIndex {
  readonly #size: number;
  /** Words of 4 bytes that a key takes; what is left of the last is 0. */
  readonly #width: number;
  readonly #free: number[] = [];
  /** By number. */
  #keys: Int32Array<ArrayBuffer>;
  /** Open addressing, at most half full: the key's number, or EMPTY. */
  #table: Int32Array;
  #next = 0;
  #count = 0;
  /** The key that is looked for, if it does not stand on a word of its own array. */
  readonly #copy: Int32Array<ArrayBuffer>;
  readonly #copyBytes: Uint8Array<ArrayBuffer>;
  /** The array that keys came from last, and its words. */
  #from: Uint8Array | undefined;
  #fromWords: Int32Array;

  constructor(keySize: number) {
    this.#size = keySize;
    this.#width = Math.ceil(keySize / 4);
    this.#keys = new Int32Array(INITIAL_KEYS * this.#width);
    this.#table = new Int32Array(INITIAL_KEYS * 4).fill(EMPTY);
    this.#copy = new Int32Array(this.#width);
    this.#copyBytes = new Uint8Array(this.#copy.buffer);
    this.#fromWords = this.#copy;
  }

  get count(): number {
    return this.#count;
  }

  /** The number of the key that starts at `offset` of `bytes`; -1 if it is not known. */
  find(bytes: Uint8Array, offset: number): number {
    const words = this.#wordsOf(bytes, offset);
    return this.#table[this.#place(words, words === this.#copy ? 0 : offset >> 2)]!;
  }

  /** Number for a key that `find` did not know. */
  add(bytes: Uint8Array, offset: number): number {
    if (this.#count * 2 >= this.#table.length) this.#rehash(this.#table.length * 2);
    const number = this.#free.pop() ?? this.#next++;
    const start = number * this.#width;
    if (start + this.#width > this.#keys.length) {
      const larger = new Int32Array(this.#keys.length * 2);
      larger.set(this.#keys);
      this.#keys = larger;
    }
    const words = this.#wordsOf(bytes, offset);
    const first = words === this.#copy ? 0 : offset >> 2;
    for (let i = 0; i < this.#width; i++) this.#keys[start + i] = words[first + i]!;
    this.#table[this.#place(words, first)] = number;
    this.#count++;
    return number;
  }

  /** The bytes of a known key; valid until the next `add`. */
  key(number: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#keys.buffer, number * this.#width * 4, this.#size);
  }

  /** Gives these numbers back; done together because it rebuilds the table. */
  remove(numbers: readonly number[]): void {
    if (numbers.length === 0) return;
    const gone = new Set(numbers);
    const rest = this.#table.filter((number) => number !== EMPTY && !gone.has(number));
    this.#table.fill(EMPTY);
    for (const number of rest) this.#table[this.#place(this.#keys, number * this.#width)] = number;
    for (const number of gone) this.#free.push(number);
    this.#count = rest.length;
  }

  #rehash(length: number): void {
    const old = this.#table;
    this.#table = new Int32Array(length).fill(EMPTY);
    for (const number of old) {
      if (number !== EMPTY) this.#table[this.#place(this.#keys, number * this.#width)] = number;
    }
  }

  /** Words in which the key starts at `offset >> 2`, or the copy, where it starts at 0. */
  #wordsOf(bytes: Uint8Array, offset: number): Int32Array {
    if (bytes !== this.#from) {
      this.#from = bytes;
      const isAligned = (bytes.byteOffset | this.#size) % 4 === 0;
      this.#fromWords = isAligned
        ? new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 2)
        : this.#copy;
    }
    if (this.#fromWords !== this.#copy && offset % 4 === 0) return this.#fromWords;
    for (let i = 0; i < this.#size; i++) this.#copyBytes[i] = bytes[offset + i]!;
    return this.#copy;
  }

  /** Where the key stands in the table, or the empty place where it would. */
  #place(words: Int32Array, first: number): number {
    const mask = this.#table.length - 1;
    let hash = 0x811c9dc5; // as FNV-1a, of words; its product has the differences of high bits in high bits only
    for (let i = 0; i < this.#width; i++) {
      hash = Math.imul(hash ^ words[first + i]!, 0x01000193);
      hash ^= hash >>> 15;
    }
    let at = (hash ^ hash >>> 15) & mask;
    for (;;) {
      const number = this.#table[at]!;
      if (number === EMPTY || this.#equals(number, words, first)) return at;
      at = (at + 1) & mask;
    }
  }

  #equals(number: number, words: Int32Array, first: number): boolean {
    const start = number * this.#width;
    for (let i = 0; i < this.#width; i++) {
      if (this.#keys[start + i] !== words[first + i]) return false;
    }
    return true;
  }
}
