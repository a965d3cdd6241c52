// SPDX-License-Identifier: MulanPSL-2.0
/** Sections and segments of a 64-bit little-endian ELF file; anybody may have written it, so nothing in it is believed. */

const HEADER_BYTES = 64;
const SECTION_BYTES_MIN = 64;
const MAX_SECTIONS = 4096;
const MAX_SEGMENTS = 256;
/** Without it, names that overlap would take hours. */
const MAX_TEXT_BYTES = 256;
const LOAD = 1;

const decoder = new TextDecoder("latin1");

export const EM_X86_64 = 62;
export const EM_AARCH64 = 183;

/** What a segment may be, of p_flags. */
export const EXECUTABLE = 1;
export const WRITABLE = 2;

export interface Section {
  readonly name: string;
  readonly type: number;
  readonly address: number;
  /** In the file. */
  readonly offset: number;
  readonly size: number;
  /** Number of the section that has its names. */
  readonly link: number;
}

/** A part of the file that is loaded. */
interface Segment {
  readonly flags: number;
  readonly offset: number;
  readonly address: number;
  readonly size: number;
}

export interface ElfFile {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** EM_X86_64 ... */
  readonly machine: number;
  readonly sections: readonly Section[];
  readonly segments: readonly Segment[];
}

/** Throws RangeError for what is no such file or breaks off. */
export function readElf(bytes: Uint8Array): ElfFile {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (
    bytes.length < HEADER_BYTES || view.getUint32(0) !== 0x7f454c46 || view.getUint16(4) !== 0x0201
  ) {
    throw new RangeError("not a 64-bit little-endian ELF file");
  }
  const machine = view.getUint16(18, true);
  return { bytes, view, machine, sections: sectionsOf(bytes, view), segments: segmentsOf(view) };
}

/** Exact below 2^53; what is larger is an offset in no file. */
export function wordAt(view: DataView, at: number): number {
  return Number(view.getBigUint64(at, true));
}

/** Where an address is in the file; undefined if no segment with these flags has it from there. */
export function offsetOf(
  { segments }: Pick<ElfFile, "segments">,
  address: number,
  flags = 0,
): number | undefined {
  const segment = segments.find((each) =>
    address >= each.address && address < each.address + each.size &&
    (each.flags & flags) === flags
  );
  return segment && address - segment.address + segment.offset;
}

/** The text up to its NUL; empty if there is none before `end`, or not soon. */
export function textAt(bytes: Uint8Array, at: number, end = bytes.length): string {
  const rest = bytes.subarray(at, Math.min(end, at + MAX_TEXT_BYTES));
  const nul = rest.indexOf(0);
  return nul < 0 ? "" : decoder.decode(rest.subarray(0, nul));
}

function sectionsOf(bytes: Uint8Array, view: DataView): Section[] {
  const start = wordAt(view, 40);
  const entry = Math.max(view.getUint16(58, true), SECTION_BYTES_MIN);
  const count = Math.min(view.getUint16(60, true), MAX_SECTIONS);
  const namesEntry = start + view.getUint16(62, true) * entry;
  const names = count > 0 ? wordAt(view, namesEntry + 24) : 0;
  const namesEnd = count > 0 ? names + wordAt(view, namesEntry + 32) : 0;
  return Array.from({ length: count }, (_, i) => {
    const at = start + i * entry;
    return {
      name: textAt(bytes, names + view.getUint32(at, true), namesEnd),
      type: view.getUint32(at + 4, true),
      address: wordAt(view, at + 16),
      offset: wordAt(view, at + 24),
      size: wordAt(view, at + 32),
      link: view.getUint32(at + 40, true),
    };
  });
}

function segmentsOf(view: DataView): Segment[] {
  const segments: Segment[] = [];
  const count = Math.min(view.getUint16(56, true), MAX_SEGMENTS);
  for (let i = 0; i < count; i++) {
    const at = wordAt(view, 32) + i * view.getUint16(54, true);
    if (view.getUint32(at, true) !== LOAD) continue;
    segments.push({
      flags: view.getUint32(at + 4, true),
      offset: wordAt(view, at + 8),
      address: wordAt(view, at + 16),
      size: wordAt(view, at + 32),
    });
  }
  return segments;
}
