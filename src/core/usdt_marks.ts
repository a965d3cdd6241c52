// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Marks that a program's makers left in its code for tracers (USDT): an instruction that does nothing, which a note of
 * the ELF file tells the place of. With a semaphore, code runs over the mark only while the semaphore is not 0.
 */
import {
  type ElfFile,
  EM_AARCH64,
  EM_X86_64,
  EXECUTABLE,
  offsetOf,
  textAt,
  wordAt,
  WRITABLE,
} from "./elf_file.ts";

const NOTE_SECTION = 7;
const NOTE_HEADER_BYTES = 12;
const OWNER = "stapsdt";
const MARK = 3;
/** Three addresses come before the names. */
const ADDRESSES_BYTES = 24;
const MAX_NOTES = 4096;
const MAX_MARKS = 64;
/** The instruction as <sys/sdt.h> writes it, and a longer one of x86-64 that the kernel can replace by a call. */
const NOTHING: Readonly<Record<number, readonly (readonly number[])[]>> = {
  [EM_X86_64]: [[0x90], [0x0f, 0x1f, 0x44, 0x00, 0x00]],
  [EM_AARCH64]: [[0x1f, 0x20, 0x03, 0xd5]],
};

export interface UsdtMark {
  readonly name: string;
  /** In the file. */
  readonly offset: number;
  /** Where its semaphore is in the file; 0: it has none. */
  readonly semaphore: number;
}

/** All places of a provider's marks of these names. Throws RangeError where the file breaks off or contradicts itself. */
export function usdtMarks(
  file: ElfFile,
  provider: string,
  wanted: ReadonlySet<string>,
): UsdtMark[] {
  const base = file.sections.find(({ name }) => name === ".stapsdt.base")?.address;
  const marks: UsdtMark[] = [];
  for (const note of notesOf(file)) {
    if (note.provider !== provider || !wanted.has(note.name)) continue;
    if (marks.length === MAX_MARKS) throw new RangeError(`more than ${MAX_MARKS} marks`);
    // Addresses are of the time before a prelinker moved the file.
    const moved = base === undefined ? 0 : base - note.base;
    marks.push({
      name: note.name,
      offset: placeOf(file, note.name, note.location + moved),
      semaphore: note.semaphore === 0 ? 0 : semaphoreOf(file, note.name, note.semaphore + moved),
    });
  }
  return marks;
}

interface Note {
  readonly location: number;
  readonly base: number;
  readonly semaphore: number;
  readonly provider: string;
  readonly name: string;
}

function* notesOf({ bytes, view, sections }: ElfFile): Iterable<Note> {
  let left = MAX_NOTES;
  for (const section of sections) {
    if (section.type !== NOTE_SECTION || section.name !== ".note.stapsdt") continue;
    const end = section.offset + section.size;
    if (end > bytes.length) throw new RangeError("notes beyond the end of the file");
    for (let at = section.offset; at + NOTE_HEADER_BYTES <= end;) {
      if (--left < 0) throw new RangeError(`more than ${MAX_NOTES} notes`);
      const owner = at + NOTE_HEADER_BYTES;
      const content = owner + roundUp4(view.getUint32(at, true));
      const contentEnd = content + view.getUint32(at + 4, true);
      if (contentEnd > end) throw new RangeError("a note beyond the end of its section");
      if (view.getUint32(at + 8, true) === MARK && textAt(bytes, owner, content) === OWNER) {
        yield noteAt(bytes, view, content, contentEnd);
      }
      at = roundUp4(contentEnd);
    }
  }
}

function noteAt(bytes: Uint8Array, view: DataView, at: number, end: number): Note {
  if (at + ADDRESSES_BYTES > end) throw new RangeError("a note that is too short");
  const provider = textAt(bytes, at + ADDRESSES_BYTES, end);
  const name = textAt(bytes, at + ADDRESSES_BYTES + provider.length + 1, end);
  return {
    location: wordAt(view, at),
    base: wordAt(view, at + 8),
    semaphore: wordAt(view, at + 16),
    provider,
    name,
  };
}

/** A breakpoint anywhere else would destroy the program. */
function placeOf(file: ElfFile, name: string, address: number): number {
  const offset = offsetOf(file, address, EXECUTABLE);
  const fits = (code: readonly number[]) =>
    offset !== undefined && code.every((byte, i) => file.bytes[offset + i] === byte);
  if (offset === undefined || !(NOTHING[file.machine] ?? []).some(fits)) {
    throw new RangeError(`the note of "${name}" points to no mark`);
  }
  return offset;
}

/** The kernel adds 1 to it in every process: two bytes of data, which no code shares. */
function semaphoreOf(file: ElfFile, name: string, address: number): number {
  const offset = offsetOf(file, address, WRITABLE);
  const isData = offset !== undefined && offset > 0 && address % 2 === 0 &&
    offset + 2 <= file.bytes.length && offsetOf(file, address, EXECUTABLE) === undefined;
  if (!isData) throw new RangeError(`the semaphore of "${name}" is no data`);
  return offset;
}

function roundUp4(bytes: number): number {
  return Math.ceil(bytes / 4) * 4;
}
