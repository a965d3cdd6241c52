// SPDX-License-Identifier: MulanPSL-2.0
/** Where functions that an ELF file names stand in it. */
import { type ElfFile, offsetOf, textAt, wordAt } from "./elf_file.ts";

const SYMBOL_BYTES = 24;
const FUNCTION = 2;
/** A large interpreter with all its names has 100,000. */
const MAX_SYMBOLS = 2_000_000;

/** Types of sections: what a library exports, and all names, which most files are stripped of. */
export const DYNSYM = 11;
export const SYMTAB = 2;

export interface ElfFunction {
  /** In the file. */
  readonly offset: number;
  readonly size: number;
}

/** Those of `wanted` that sections of this type name. Throws RangeError where the file breaks off. */
export function namedFunctions(
  file: ElfFile,
  wanted: ReadonlySet<string>,
  type: number = DYNSYM,
): ReadonlyMap<string, ElfFunction> {
  const { bytes, view, sections } = file;
  const functions = new Map<string, ElfFunction>();
  let left = MAX_SYMBOLS;
  for (const table of sections) {
    if (table.type !== type) continue;
    const names = sections[table.link];
    if (names === undefined) throw new RangeError("a table of symbols without names");
    const end = table.offset + table.size;
    for (let symbol = table.offset; symbol + SYMBOL_BYTES <= end; symbol += SYMBOL_BYTES) {
      if (--left < 0) throw new RangeError(`more than ${MAX_SYMBOLS} symbols`);
      if ((view.getUint8(symbol + 4) & 15) !== FUNCTION) continue;
      const name = textAt(bytes, names.offset + view.getUint32(symbol, true));
      if (!wanted.has(name)) continue;
      const offset = offsetOf(file, wordAt(view, symbol + 8));
      if (offset === undefined) continue;
      functions.set(name, { offset, size: wordAt(view, symbol + 16) });
    }
  }
  return functions;
}
