// SPDX-License-Identifier: MulanPSL-2.0
/** Where functions that a 64-bit little-endian ELF library exports stand in its file. */

const DYNSYM = 11;
const SECTION_BYTES_MIN = 64;
const SYMBOL_BYTES = 24;
const LOAD = 1;
const FUNCTION = 2;
const MAX_SECTIONS = 4096;

export const EM_X86_64 = 62;
export const EM_AARCH64 = 183;

export interface ElfFunction {
  /** In the file. */
  readonly offset: number;
  readonly size: number;
}

export interface ElfFunctions {
  /** EM_X86_64 ... */
  readonly machine: number;
  readonly functions: ReadonlyMap<string, ElfFunction>;
}

interface Segment {
  readonly offset: number;
  readonly address: number;
  readonly size: number;
}

/** Those of `wanted` that the library exports. Throws RangeError for what is no such file or breaks off. */
export function exportedFunctions(file: Uint8Array, wanted: ReadonlySet<string>): ElfFunctions {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (file.length < 64 || view.getUint32(0) !== 0x7f454c46 || view.getUint16(4) !== 0x0201) {
    throw new RangeError("not a 64-bit little-endian ELF file");
  }
  const word = (at: number) => Number(view.getBigUint64(at, true));
  const segments = segmentsOf(view, word);
  const functions = new Map<string, ElfFunction>();
  const sections = word(40);
  const entry = Math.max(view.getUint16(58, true), SECTION_BYTES_MIN);
  const count = Math.min(view.getUint16(60, true), MAX_SECTIONS);
  for (let i = 0; i < count; i++) {
    const at = sections + i * entry;
    if (view.getUint32(at + 4, true) !== DYNSYM) continue;
    const names = word(sections + view.getUint32(at + 40, true) * entry + 24);
    const end = word(at + 24) + word(at + 32);
    for (let symbol = word(at + 24); symbol + SYMBOL_BYTES <= end; symbol += SYMBOL_BYTES) {
      if ((view.getUint8(symbol + 4) & 15) !== FUNCTION) continue;
      const address = word(symbol + 8);
      const offset = offsetOf(segments, address);
      const name = textAt(file, names + view.getUint32(symbol, true));
      if (offset === undefined || !wanted.has(name)) continue;
      functions.set(name, { offset, size: word(symbol + 16) });
    }
  }
  return { machine: view.getUint16(18, true), functions };
}

function segmentsOf(view: DataView, word: (at: number) => number): Segment[] {
  const segments: Segment[] = [];
  for (let i = 0; i < view.getUint16(56, true); i++) {
    const at = word(32) + i * view.getUint16(54, true);
    if (view.getUint32(at, true) !== LOAD) continue;
    segments.push({ offset: word(at + 8), address: word(at + 16), size: word(at + 32) });
  }
  return segments;
}

function offsetOf(segments: readonly Segment[], address: number): number | undefined {
  const segment = segments.find((each) =>
    address >= each.address && address < each.address + each.size
  );
  return segment && address - segment.address + segment.offset;
}

function textAt(file: Uint8Array, at: number): string {
  const end = file.indexOf(0, at);
  return end < 0 ? "" : new TextDecoder("latin1").decode(file.subarray(at, end));
}
