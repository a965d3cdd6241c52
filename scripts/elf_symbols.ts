// SPDX-License-Identifier: MulanPSL-2.0
/** Reads the symbol table of a 64-bit little-endian ELF file: programs and globals of a BPF object. */

const SYMBOL_SIZE = 24;
const TYPE_SYMTAB = 2;
const KINDS: Readonly<Record<number, ElfSymbol["kind"]>> = { 1: "object", 2: "function" };

export interface ElfSymbol {
  readonly name: string;
  readonly kind: "object" | "function";
  readonly section: string;
  /** Bytes from the start of the section. */
  readonly offset: number;
}

interface Section {
  readonly nameAt: number;
  readonly type: number;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
}

function readSection(view: DataView, at: number): Section {
  return {
    nameAt: view.getUint32(at, true),
    type: view.getUint32(at + 4, true),
    offset: Number(view.getBigUint64(at + 24, true)),
    size: Number(view.getBigUint64(at + 32, true)),
    link: view.getUint32(at + 40, true),
  };
}

function readSections(view: DataView): Section[] {
  const start = Number(view.getBigUint64(40, true));
  const entrySize = view.getUint16(58, true);
  const count = view.getUint16(60, true);
  return Array.from({ length: count }, (_, index) => readSection(view, start + index * entrySize));
}

function sectionAt(sections: readonly Section[], index: number): Section {
  const section = sections[index];
  if (section === undefined) throw new RangeError(`Cannot find ELF section ${index}`);
  return section;
}

function textAt(file: Uint8Array, at: number): string {
  return new TextDecoder().decode(file.subarray(at, file.indexOf(0, at)));
}

/** The named functions and variables of an ELF file. */
export function elfSymbols(file: Uint8Array): ElfSymbol[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (file.length < 64 || view.getUint32(0, false) !== 0x7f454c46) {
    throw new TypeError("Cannot read the object: it is not an ELF file");
  }
  const sections = readSections(view);
  const names = sectionAt(sections, view.getUint16(62, true));
  const symbols: ElfSymbol[] = [];
  for (const table of sections.filter((section) => section.type === TYPE_SYMTAB)) {
    const strings = sectionAt(sections, table.link);
    for (let at = table.offset; at < table.offset + table.size; at += SYMBOL_SIZE) {
      const kind = KINDS[view.getUint8(at + 4) & 15];
      if (kind === undefined) continue;
      const home = sectionAt(sections, view.getUint16(at + 6, true));
      symbols.push({
        name: textAt(file, strings.offset + view.getUint32(at, true)),
        kind,
        section: textAt(file, names.offset + home.nameAt),
        offset: Number(view.getBigUint64(at + 8, true)),
      });
    }
  }
  return symbols;
}
