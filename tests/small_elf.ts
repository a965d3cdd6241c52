// SPDX-License-Identifier: MulanPSL-2.0
/** An ELF file for tests: a segment of code, one of data, notes of marks, and names of functions. */

const CODE_AT = 0x1000;
const DATA_AT = 0x1100;
const FILE_BYTES = 0x2000;
/** So far from its place in the file is what is loaded. */
export const CODE_MOVED = 0x400000;
export const DATA_MOVED = 0x600000;
const SECTIONS_AT = 0x1200;
const BASE_ADDRESS = CODE_MOVED + 0x80;

export interface SmallElf {
  readonly machine?: number;
  readonly code: Uint8Array;
  readonly notes?: readonly {
    readonly provider?: string;
    readonly name: string;
    /** From the start of the code, and of the data. */
    readonly at: number;
    readonly semaphore?: number;
  }[];
  /** So far was the file moved after the notes were written. */
  readonly moved?: number;
  readonly symbols?: readonly {
    readonly name: string;
    readonly at: number;
    readonly size: number;
  }[];
}

const encoder = new TextEncoder();

/** Offset in the file of what is at this place of the code, and of the data. */
export const codeOffset = (at: number) => CODE_AT + at;
export const dataOffset = (at: number) => DATA_AT + at;

export function smallElf(
  { machine = 62, code, notes = [], moved = 0, symbols = [] }: SmallElf,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(FILE_BYTES);
  const view = new DataView(bytes.buffer);
  writeHeaders(bytes, view, machine);
  bytes.set(code, CODE_AT);
  const noteBytes = notes.flatMap(({ provider = "python", name, at, semaphore }) =>
    noteOf(
      [CODE_MOVED + CODE_AT + at, BASE_ADDRESS, semaphoreAddress(semaphore)]
        .map((address) => address === 0 ? 0 : address - moved),
      `${provider}\0${name}\0\0`,
    )
  );
  const symbolNames = `\0${symbols.map(({ name }) => `${name}\0`).join("")}`;
  const names = "\0.note.stapsdt\0.stapsdt.base\0.symtab\0.strtab\0.shstrtab\0";
  const contents = [
    [],
    noteBytes,
    [],
    symbols.flatMap(({ name, at, size }) =>
      symbolOf(symbolNames.indexOf(`\0${name}\0`) + 1, at, size)
    ),
    [...encoder.encode(symbolNames)],
    [...encoder.encode(names)],
  ];
  const kinds = [["", 0], [".note.stapsdt", 7], [".stapsdt.base", 1], [".symtab", 2], [
    ".strtab",
    3,
  ], [
    ".shstrtab",
    3,
  ]] as const;
  let end = SECTIONS_AT + 64 * kinds.length;
  kinds.forEach(([name, type], i) => {
    const header = SECTIONS_AT + 64 * i;
    bytes.set(contents[i]!, end);
    view.setUint32(header, name === "" ? 0 : names.indexOf(`\0${name}\0`) + 1, true);
    view.setUint32(header + 4, type, true);
    writeWord(view, header + 16, name === ".stapsdt.base" ? BASE_ADDRESS : 0);
    writeWord(view, header + 24, end);
    writeWord(view, header + 32, contents[i]!.length);
    view.setUint32(header + 40, name === ".symtab" ? 4 : 0, true);
    end += Math.ceil(contents[i]!.length / 8) * 8;
  });
  return bytes;
}

/** That of the file, and of both segments. */
function writeHeaders(bytes: Uint8Array, view: DataView, machine: number): void {
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(18, machine, true);
  writeWord(view, 32, 64);
  writeWord(view, 40, SECTIONS_AT);
  for (const [at, value] of [[54, 56], [56, 2], [58, 64], [60, 6], [62, 5]] as const) {
    view.setUint16(at, value, true);
  }
  writeSegment(view, 64, 5, CODE_AT, CODE_MOVED);
  writeSegment(view, 120, 6, DATA_AT, DATA_MOVED);
}

function semaphoreAddress(at: number | undefined): number {
  return at === undefined ? 0 : DATA_MOVED + DATA_AT + at;
}

function writeWord(view: DataView, at: number, value: number): void {
  view.setBigUint64(at, BigInt(value), true);
}

function writeSegment(
  view: DataView,
  at: number,
  flags: number,
  offset: number,
  moved: number,
): void {
  view.setUint32(at, 1, true);
  view.setUint32(at + 4, flags, true);
  writeWord(view, at + 8, offset);
  writeWord(view, at + 16, offset + moved);
  writeWord(view, at + 32, 0x100);
  writeWord(view, at + 40, 0x100);
}

function noteOf(addresses: readonly number[], texts: string): number[] {
  const content = [...wordsOf(addresses), ...encoder.encode(texts)];
  const note = [
    ...new Uint8Array(Uint32Array.of(8, content.length, 3).buffer),
    ...encoder.encode("stapsdt\0"),
    ...content,
  ];
  while (note.length % 4 !== 0) note.push(0);
  return note;
}

function symbolOf(name: number, at: number, size: number): number[] {
  const start = new Uint8Array(Uint32Array.of(name, 2).buffer);
  return [...start, ...wordsOf([CODE_MOVED + CODE_AT + at, size])];
}

function wordsOf(values: readonly number[]): Uint8Array {
  return new Uint8Array(BigUint64Array.from(values.map(BigInt)).buffer);
}
