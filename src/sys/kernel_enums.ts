// SPDX-License-Identifier: MulanPSL-2.0
/** Names of the running kernel's enum values, from its BTF: drop reasons and the like differ from kernel to kernel. */
import type { EnumNames } from "../core/labels.ts";

const MAGIC = 0xeb9f;
const KIND_ENUM = 6;
const HEADER_BYTES = 12;

/** Bytes that follow a type's header, by kind, for one element and for the whole. */
const EACH: Readonly<Record<number, number>> = { 4: 12, 5: 12, 6: 8, 13: 8, 15: 12, 19: 12 };
const ONCE: Readonly<Record<number, number>> = { 1: 4, 3: 12, 14: 4, 17: 4 };

const decoder = new TextDecoder();

/** The names of an enum; none where there is no such enum, or no BTF. */
export function enumNames(btf: Uint8Array, type: string): EnumNames {
  const names = new Map<number, string>();
  const view = new DataView(btf.buffer, btf.byteOffset, btf.byteLength);
  if (btf.length < 24 || view.getUint16(0, true) !== MAGIC) return names;
  const types = view.getUint32(4, true) + view.getUint32(8, true);
  const end = types + view.getUint32(12, true);
  const strings = view.getUint32(4, true) + view.getUint32(16, true);
  const wanted = new TextEncoder().encode(type);
  const nameAt = (offset: number) => {
    const start = strings + offset;
    return btf.subarray(start, btf.indexOf(0, start));
  };
  for (let at = types; at + HEADER_BYTES <= end;) {
    const info = view.getUint32(at + 4, true);
    const kind = info >> 24 & 31;
    const count = info & 0xffff;
    if (kind === KIND_ENUM && count > 0 && same(nameAt(view.getUint32(at, true)), wanted)) {
      for (let i = 0; i < count; i++) {
        const member = at + HEADER_BYTES + 8 * i;
        const name = decoder.decode(nameAt(view.getUint32(member, true)));
        names.set(view.getUint32(member + 4, true), name);
      }
      return names;
    }
    at += HEADER_BYTES + (EACH[kind] ?? 0) * count + (ONCE[kind] ?? 0);
  }
  return names;
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** Reads the kernel's BTF at the first question and forgets it again; remembers the answers. */
export function kernelEnums(path = "/sys/kernel/btf/vmlinux"): (type: string) => EnumNames {
  const known = new Map<string, EnumNames>();
  return (type) => {
    let names = known.get(type);
    if (names === undefined) {
      const btf = readOrEmpty(path);
      known.set(type, names = enumNames(btf, type));
      btf.buffer.transfer(0); // frees megabytes at once, not when they are collected
    }
    return names;
  };
}

function readOrEmpty(path: string): Uint8Array<ArrayBuffer> {
  try {
    using file = Deno.openSync(path);
    // In one piece: what grows while it is read takes three times the room.
    const bytes = new Uint8Array(file.statSync().size);
    let size = 0;
    while (size < bytes.length) {
      const read = file.readSync(bytes.subarray(size));
      if (read === null) break;
      size += read;
    }
    return bytes.subarray(0, size);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return new Uint8Array(0);
    throw error;
  }
}
