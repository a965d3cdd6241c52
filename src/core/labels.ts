// SPDX-License-Identifier: MulanPSL-2.0
/** Label text from the key of a BPF map. Runs once a row, when the row is new. */
import { containerOfPath } from "./cgroup_path.ts";
import type { Struct } from "./layout.ts";
import { shortIdOf } from "./process_cgroups.ts";

/** Reads one label out of a key; `Field` are the key's fields that it needs. */
export interface LabelReader<Field extends string = string> {
  readonly fields: readonly Field[];
  /** Whether the text may change while the key stays: then it is read again whenever the row is renewed. */
  readonly changes?: boolean;
  /** Where its fields stand; the key unless said otherwise. */
  readonly part?: "key" | "value";
  /** `before` is what it read the last time, empty at first. */
  read(key: KeyView, host: LabelHost, before?: string): string;
}

/** Reads one label out of a map's value. */
export interface ValueLabelReader<Field extends string = string> extends LabelReader<Field> {
  readonly part: "value";
}

/** A label that stands in the map's value, and so may change. */
export function ofValue<Field extends string>(label: LabelReader<Field>): ValueLabelReader<Field> {
  return { ...label, part: "value", changes: true };
}

/** Asked for what does not stand in the key itself. */
export interface LabelHost {
  readonly enums: EnumsOf;
  /** The container of a process; empty for none, undefined when there is no such process. */
  idOf(pid: number): string | undefined;
}

/** Names of an enum of the running kernel, by value. */
export type EnumNames = ReadonlyMap<number, string>;
export type EnumsOf = (type: string) => EnumNames;

/** A map key or value, by field names. */
export class KeyView {
  readonly #struct: Struct;
  #bytes: Uint8Array = new Uint8Array(0);
  #view: DataView = new DataView(this.#bytes.buffer);
  #base = 0;

  constructor(struct: Struct) {
    this.#struct = struct;
  }

  /** Looks at the key that starts at `offset` of `bytes`. */
  at(bytes: Uint8Array, offset: number): this {
    if (bytes !== this.#bytes) {
      this.#bytes = bytes;
      this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
    this.#base = offset;
    return this;
  }

  number(field: string): number {
    const { offset, size, kind } = this.#field(field);
    const at = this.#base + offset;
    const signed = kind === "signed";
    switch (size) {
      case 1:
        return signed ? this.#view.getInt8(at) : this.#view.getUint8(at);
      case 2:
        return signed ? this.#view.getInt16(at, true) : this.#view.getUint16(at, true);
      case 4:
        return signed ? this.#view.getInt32(at, true) : this.#view.getUint32(at, true);
      case 8:
        return Number(
          signed ? this.#view.getBigInt64(at, true) : this.#view.getBigUint64(at, true),
        );
      default:
        throw new TypeError(`Field "${field}" has ${size} bytes, a number has 1, 2, 4 or 8`);
    }
  }

  bytes(field: string): Uint8Array {
    const { offset, size } = this.#field(field);
    const start = this.#view.byteOffset + this.#base + offset;
    return new Uint8Array(this.#view.buffer, start, size);
  }

  #field(field: string) {
    const found = this.#struct.fields[field];
    if (found === undefined) throw new TypeError(`Key has no field "${field}"`);
    return found;
  }
}

/** The number itself. */
export function id<Field extends string>(field: Field): LabelReader<Field> {
  return { fields: [field], read: (key) => String(key.number(field)) };
}

/** One of these words by the number; the number itself if there is none. */
export function word<Field extends string>(
  field: Field,
  words: readonly string[],
): LabelReader<Field> {
  return {
    fields: [field],
    read: (key) => words[key.number(field)] ?? String(key.number(field)),
  };
}

/** The container of the process whose id `process` reads, which is one number; that of a process that is gone stays. */
export function containerOf<Field extends string>(
  process: LabelReader<Field>,
): LabelReader<Field> {
  return {
    ...process,
    changes: true,
    read: (key, host, before = "") => host.idOf(key.number(process.fields[0]!)) ?? before,
  };
}

/**
 * The name that the kernel's enum has for the number, without the prefix and in lower case; else the number. `none` is
 * the number that stands for no value.
 */
export function nameOf<Field extends string>(
  field: Field,
  { type, prefix, none }: { type: string; prefix: string; none?: number },
): LabelReader<Field> {
  return {
    fields: [field],
    read: (key, host) => {
      const value = key.number(field);
      if (value === none) return "";
      const name = host.enums(type).get(value);
      if (name === undefined) return String(value);
      return (name.startsWith(prefix) ? name.slice(prefix.length) : name).toLowerCase();
    },
  };
}

const decoder = new TextDecoder();

export function textUpToNul(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return decoder.decode(end < 0 ? bytes : bytes.subarray(0, end));
}

/** Text that ends at the first NUL. */
export function text<Field extends string>(field: Field): LabelReader<Field> {
  return {
    fields: [field],
    read: (key) => textUpToNul(key.bytes(field)),
  };
}

/**
 * The container whose cgroup has this name; empty for other names. For what may be gone when the row is read, so that
 * containerOf would come too late.
 */
export function containerOfCgroup<Field extends string>(field: Field): LabelReader<Field> {
  return {
    fields: [field],
    read: (key) => {
      const found = containerOfPath(`/${textUpToNul(key.bytes(field))}`);
      return found === undefined ? "" : shortIdOf(found.id);
    },
  };
}

/** The same in every row. */
export function constant(value: string): LabelReader<never> {
  return { fields: [], read: () => value };
}

/** A label that the original has and we do not know: left out. */
export function unknown(): LabelReader<never> {
  return { fields: [], read: () => "" };
}

const AF_INET = 2;
/** Of the row for all that did not fit. */
const OTHER = "other";

/** An IP address: 16 bytes, of which IPv4 (family 2) uses the first four; `other` where there is no family. */
export function address<Field extends string>(field: Field, family: Field): LabelReader<Field> {
  return {
    fields: [field, family],
    read: (key) => {
      const number = key.number(family);
      return number === 0 ? OTHER : ipText(number, key.bytes(field));
    },
  };
}

/** Of 16 bytes, of which IPv4 uses the first four. */
export function ipText(family: number, bytes: Uint8Array): string {
  return family === AF_INET ? bytes.subarray(0, 4).join(".") : ipv6Text(bytes);
}

/** Text of an IPv6 address in the form of RFC 5952. */
export function ipv6Text(bytes: Uint8Array): string {
  const groups = Array.from({ length: 8 }, (_, i) => bytes[2 * i]! << 8 | bytes[2 * i + 1]!);
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) {
    return `::ffff:${bytes.subarray(12, 16).join(".")}`;
  }
  const { start, length } = longestZeroRun(groups);
  const hex = (part: number[]) => part.map((group) => group.toString(16)).join(":");
  if (length < 2) return hex(groups);
  return `${hex(groups.slice(0, start))}::${hex(groups.slice(start + length))}`;
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  for (let i = 0; i <= groups.length; i++) {
    if (i < groups.length && groups[i] === 0) continue;
    if (i - start > best.length) best = { start, length: i - start };
    start = i + 1;
  }
  return best;
}
