// SPDX-License-Identifier: MulanPSL-2.0
/** Reads numbers and texts one behind the other, of which only the first bytes are known: what is not there is NaN. */

const MAX_VARINT = 5;

export class ByteCursor {
  #bytes: Uint8Array = new Uint8Array();
  #end = 0;
  at = 0;

  set(bytes: Uint8Array, at: number, end: number): this {
    this.#bytes = bytes;
    this.#end = end;
    this.at = at;
    return this;
  }

  /** Whether all that was read was there. */
  get isGood(): boolean {
    return this.at <= this.#end;
  }

  /** Also where that is behind what is known. NaN leads nowhere. */
  skip(bytes: number): void {
    this.at = bytes >= 0 ? this.at + bytes : Infinity;
  }

  /** A number with sign of so many bytes, the highest first. */
  int(size: 1 | 2 | 4 | 8): number {
    const at = this.at;
    this.skip(size);
    if (!this.isGood) return NaN;
    let value = this.#bytes[at]! << 24 >> 24;
    for (let i = 1; i < size; i++) value = value * 256 + this.#bytes[at + i]!;
    return value;
  }

  /** Seven bits a byte, the lowest first. */
  varint(): number {
    let value = 0;
    for (let i = 0; i < MAX_VARINT; i++) {
      const byte = this.int(1);
      value += (byte & 127) * 2 ** (7 * i);
      if (byte >= 0 || Number.isNaN(byte)) return Number.isNaN(byte) ? NaN : value;
    }
    this.skip(NaN);
    return NaN;
  }

  /** Text of so many bytes; undefined: it is not all there. */
  text(length: number): string | undefined {
    return this.#decode(length, decoder);
  }

  /** Bytes that are no text, as a key. */
  id(length: number): string | undefined {
    return this.#decode(length, letters);
  }

  #decode(length: number, by: TextDecoder): string | undefined {
    const at = this.at;
    this.skip(length);
    return this.isGood ? by.decode(this.#bytes.subarray(at, at + length)) : undefined;
  }
}

const decoder = new TextDecoder();
/** A letter for each byte. */
const letters = new TextDecoder("latin1");
