// SPDX-License-Identifier: MulanPSL-2.0
/** Reads the numeric fields of a BPF map value; the copies of a per-CPU value are added up. */
import type { Field, Struct } from "../core/layout.ts";

const TWO_32 = 4294967296;

export class ValueDecoder {
  /** Names of the numeric fields, in the order in which `decode` writes them; of an array `slots[0]`, `slots[1]` ... */
  readonly names: readonly string[];
  readonly #offsets: Int32Array;
  /** Bytes of the field; negative: signed. */
  readonly #sizes: Int8Array;
  readonly #stride: number;
  readonly #copies: number;

  /** `copies` of the value stand `stride` bytes apart. */
  constructor({ fields }: Struct, stride: number, copies: number) {
    const numeric = Object.entries(fields).flatMap(([name, field]) => numbersOf(name, field));
    for (const [name, { size }] of numeric) {
      if (![1, 2, 4, 8].includes(size)) {
        throw new TypeError(`Field "${name}" has ${size} bytes, a number has 1, 2, 4 or 8`);
      }
    }
    this.names = numeric.map(([name]) => name);
    this.#offsets = Int32Array.from(numeric, ([, { offset }]) => offset);
    this.#sizes = Int8Array.from(numeric, ([, { size, kind }]) => kind === "signed" ? -size : size);
    this.#stride = stride;
    this.#copies = copies;
  }

  /** Decodes the value at `base` into `numbers`. Exact to 2^53. */
  decode(view: DataView, base: number, numbers: Float64Array): void {
    for (let i = 0; i < this.#offsets.length; i++) numbers[i] = this.one(view, base, i);
  }

  /** Decodes the field with this position in `names`. */
  one(view: DataView, base: number, index: number): number {
    const size = this.#sizes[index]!;
    let at = base + this.#offsets[index]!;
    let sum = 0;
    for (let copy = 0; copy < this.#copies; copy++) {
      sum += size === 8
        ? view.getUint32(at, true) + view.getUint32(at + 4, true) * TWO_32
        : readNumber(view, at, size);
      at += this.#stride;
    }
    return sum;
  }
}

function numbersOf(name: string, field: Field): [name: string, field: Field][] {
  const { offset, size, kind, element = size } = field;
  if (kind === "bytes") return [];
  if (kind !== "array") return [[name, field]];
  return Array.from({ length: size / element }, (_, i) => [
    `${name}[${i}]`,
    { offset: offset + i * element, size: element, kind: "unsigned" },
  ]);
}

function readNumber(view: DataView, at: number, size: number): number {
  switch (size) {
    case 4:
      return view.getUint32(at, true);
    case 2:
      return view.getUint16(at, true);
    case 1:
      return view.getUint8(at);
    case -1:
      return view.getInt8(at);
    case -2:
      return view.getInt16(at, true);
    case -4:
      return view.getInt32(at, true);
    default:
      return view.getUint32(at, true) + view.getInt32(at + 4, true) * TWO_32;
  }
}
