// SPDX-License-Identifier: MulanPSL-2.0
/** Sets the `const volatile` globals of an opened BPF object: the verifier then deletes the dead branches. */
import type { Field } from "../core/layout.ts";
import type { Libbpf } from "./libbpf.ts";
import { cString } from "./libbpf.ts";
import type { ObjectImage } from "./object_loader.ts";

/** Throws TypeError for a constant that the object does not have, RangeError for a value that does not fit. */
export function setConstants(
  libbpf: Libbpf,
  object: Deno.PointerValue,
  { name, layout, constants = {} }: ObjectImage,
): void {
  const entries = Object.entries(constants);
  if (entries.length === 0) return;
  const map = libbpf.bpf.bpf_object__find_map_by_name(object, cString(".rodata"));
  const size = new BigUint64Array(1);
  const start = map === null ? null : libbpf.bpf.bpf_map__initial_value(map, size);
  const bytes = start === null
    ? new Uint8Array(0)
    : new Uint8Array(Deno.UnsafePointerView.getArrayBuffer(start, Number(size[0])));
  for (const [constant, value] of entries) {
    const field = layout.constants[constant];
    if (field === undefined || field.offset + field.size > bytes.length) {
      throw new TypeError(`Object "${name}" has no constant "${constant}"`);
    }
    writeField(bytes.subarray(field.offset, field.offset + field.size), field, constant, value);
  }
}

/** Writes `value` as little-endian bytes. */
export function writeField(
  bytes: Uint8Array,
  { size, kind }: Field,
  name: string,
  value: number | Uint8Array,
): void {
  if (typeof value !== "number") {
    if (value.length > size) {
      throw new RangeError(`Constant "${name}" has ${size} bytes, got ${value.length}`);
    }
    bytes.fill(0);
    bytes.set(value);
    return;
  }
  const bits = Math.min(size * 8, 53);
  const low = kind === "signed" ? -(2 ** (bits - 1)) : 0;
  const high = kind === "signed" ? 2 ** (bits - 1) - 1 : 2 ** bits - 1;
  const block = kind === "bytes" || kind === "array";
  if (block || !Number.isInteger(value) || value < low || value > high) {
    throw new RangeError(
      `Constant "${name}" is ${value}, must be ${
        block ? "bytes" : `an integer from ${low} to ${high}`
      }`,
    );
  }
  let rest = BigInt.asUintN(64, BigInt(value));
  for (let i = 0; i < size; i++, rest >>= 8n) bytes[i] = Number(rest & 0xffn);
}
