// SPDX-License-Identifier: MulanPSL-2.0
/** Turns a BPF object's BTF, as `bpftool btf dump file X -j` prints it, and its symbols into an ObjectLayout. */
import type { ElfSymbol } from "./elf_symbols.ts";
import type { Field, MapLayout, ObjectLayout, Struct } from "../src/core/layout.ts";

interface BtfMember {
  readonly name: string;
  readonly type_id: number;
  readonly bits_offset: number;
  readonly bitfield_size?: number;
}

export interface BtfType {
  readonly id: number;
  readonly kind: string;
  readonly name: string;
  readonly size?: number;
  readonly type_id?: number;
  readonly nr_elems?: number;
  readonly encoding?: string;
  readonly members?: readonly BtfMember[];
  readonly vars?: readonly { readonly type_id: number; readonly offset: number }[];
}

/** Numbers of the kernel's enum bpf_map_type. An LRU map is read like the plain one. */
const MAP_TYPES: Readonly<Record<number, MapLayout["type"]>> = {
  1: "hash",
  2: "array",
  5: "percpu_hash",
  6: "percpu_array",
  9: "hash",
  10: "percpu_hash",
  27: "ringbuf",
};
const TRANSPARENT = new Set(["TYPEDEF", "CONST", "VOLATILE", "TYPE_TAG", "RESTRICT"]);
const RECORD_REGEXP = /_(event|record)$/;
const EMPTY: Struct = { size: 0, fields: {} };

export class BtfReader {
  readonly #types = new Map<number, BtfType>();
  readonly #object: string;

  constructor(object: string, types: readonly BtfType[]) {
    this.#object = object;
    for (const type of types) this.#types.set(type.id, type);
  }

  layout(symbols: readonly ElfSymbol[]): ObjectLayout {
    return {
      object: this.#object,
      maps: this.#maps(),
      records: this.#records(),
      constants: this.#constants(symbols),
      programs: programsOf(symbols),
    };
  }

  /** The type behind typedefs and qualifiers. */
  #resolve(id: number, where: string): BtfType {
    const type = this.#types.get(id);
    if (type === undefined) throw this.#refusal(where, `BTF type ${id} is missing`);
    return TRANSPARENT.has(type.kind) ? this.#resolve(type.type_id ?? 0, where) : type;
  }

  #refusal(where: string, problem: string): TypeError {
    return new TypeError(`Cannot lay out "${where}" of ${this.#object}: ${problem}`);
  }

  #sizeOf(type: BtfType, where: string): number {
    if (type.kind === "PTR") return 8;
    if (type.kind !== "ARRAY") return type.size ?? 0;
    return (type.nr_elems ?? 0) * this.#sizeOf(this.#resolve(type.type_id ?? 0, where), where);
  }

  #scalar(type: BtfType, offset: number, where: string): Field {
    const size = this.#sizeOf(type, where);
    switch (type.kind) {
      case "INT":
      case "ENUM":
      case "ENUM64":
        if (size > 8) return { offset, size, kind: "bytes" };
        return { offset, size, kind: type.encoding === "SIGNED" ? "signed" : "unsigned" };
      case "ARRAY": {
        const element = this.#resolve(type.type_id ?? 0, where);
        if (element.kind === "INT" || element.kind === "ARRAY") {
          const { size: width, kind } = this.#scalar(element, offset, where);
          const counts = kind === "unsigned" && (width === 4 || width === 8);
          return counts
            ? { offset, size, kind: "array", element: width }
            : { offset, size, kind: "bytes" };
        }
        throw this.#refusal(where, `an array of ${element.kind} where integers are wanted`);
      }
      default:
        throw this.#refusal(
          where,
          `${type.kind} "${type.name}" where an integer, an array of integers or a struct is wanted`,
        );
    }
  }

  #addMembers(type: BtfType, base: number, path: string, where: string, fields: [string, Field][]) {
    for (const member of type.members ?? []) {
      const name = path + member.name;
      const place = `${where}.${name}`;
      if (member.name === "(anon)") throw this.#refusal(place, "an anonymous struct or union");
      if ((member.bitfield_size ?? 0) !== 0 || member.bits_offset % 8 !== 0) {
        throw this.#refusal(place, "a bit field");
      }
      const offset = base + member.bits_offset / 8;
      const inner = this.#resolve(member.type_id, place);
      if (inner.kind === "STRUCT") this.#addMembers(inner, offset, `${name}.`, where, fields);
      else fields.push([name, this.#scalar(inner, offset, place)]);
    }
  }

  #struct(id: number, where: string): Struct {
    const type = this.#resolve(id, where);
    const size = this.#sizeOf(type, where);
    if (type.kind !== "STRUCT") return { size, fields: { value: this.#scalar(type, 0, where) } };
    const fields: [string, Field][] = [];
    this.#addMembers(type, 0, "", where, fields);
    return { size, fields: Object.fromEntries(fields) };
  }

  #section(name: string): BtfType[] {
    const sections = [...this.#types.values()].filter((type) =>
      type.kind === "DATASEC" && type.name === name
    );
    return sections.flatMap((section) =>
      (section.vars ?? []).map(({ type_id }) => this.#resolve(type_id, name))
    );
  }

  #maps(): Record<string, MapLayout> {
    const maps = this.#section(".maps").map((map) => [map.name, this.#map(map)] as const);
    return sorted(Object.fromEntries(maps));
  }

  #map(map: BtfType): MapLayout {
    const definition = this.#resolve(map.type_id ?? 0, map.name);
    const members = new Map(definition.members?.map(({ name, type_id }) => [name, type_id]));
    /** libbpf's way to write a number in a type: pointer to an array of that many elements. */
    const number = (name: string): number | undefined => {
      const id = members.get(name);
      return id === undefined ? undefined : this.#pointee(id, map.name).nr_elems;
    };
    const part = (name: "key" | "value"): Struct => {
      const id = members.get(name);
      const where = `${map.name} ${name}`;
      if (id !== undefined) return this.#struct(this.#pointee(id, where).id, where);
      const size = number(`${name}_size`);
      return size === undefined
        ? EMPTY
        : { size, fields: { value: { offset: 0, size, kind: "bytes" } } };
    };
    return {
      type: MAP_TYPES[number("type") ?? 0] ?? "other",
      maxEntries: number("max_entries") ?? 0,
      key: part("key"),
      value: part("value"),
    };
  }

  #pointee(id: number, where: string): BtfType {
    return this.#resolve(this.#resolve(id, where).type_id ?? 0, where);
  }

  #records(): Record<string, Struct> {
    const structs = [...this.#types.values()].filter((type) =>
      type.kind === "STRUCT" && RECORD_REGEXP.test(type.name)
    );
    return sorted(Object.fromEntries(
      structs.map((type) => [type.name, this.#struct(type.id, type.name)]),
    ));
  }

  /** A pointer in .rodata only brings a record's type into the BTF; it is not a setting. */
  #constants(symbols: readonly ElfSymbol[]): Record<string, Field> {
    // Offsets in the BTF stay 0 until libbpf fills them in: the symbol table has them.
    const offsets = new Map(
      symbols.filter(({ section }) => section === ".rodata").map((it) => [it.name, it.offset]),
    );
    const constants: [string, Field][] = [];
    for (const { name, type_id = 0 } of this.#section(".rodata")) {
      const type = this.#resolve(type_id, name);
      if (type.kind === "PTR" || !this.#isVolatile(type_id)) continue;
      const offset = offsets.get(name);
      if (offset === undefined) throw this.#refusal(name, "it has no symbol");
      constants.push([name, this.#scalar(type, offset, name)]);
    }
    return sorted(Object.fromEntries(constants));
  }

  /** A plain `const` is the program's own table, which the compiler has already relied on. */
  #isVolatile(id: number): boolean {
    const type = this.#types.get(id);
    if (type?.kind === "VOLATILE") return true;
    const goesOn = type !== undefined && (TRANSPARENT.has(type.kind) || type.kind === "ARRAY");
    return goesOn && this.#isVolatile(type.type_id ?? 0);
  }
}

/** `?` (do not load by default) is left out, as libbpf does; .text holds what programs call. */
function programsOf(symbols: readonly ElfSymbol[]): Record<string, string> {
  const programs = symbols.filter(({ kind, section }) =>
    kind === "function" && section !== ".text"
  );
  return sorted(Object.fromEntries(
    programs.map(({ name, section }) => [name, section.replace(/^\?/, "")]),
  ));
}

function sorted<T>(record: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(
    Object.entries(record).sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0),
  );
}
