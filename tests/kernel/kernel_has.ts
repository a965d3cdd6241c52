// SPDX-License-Identifier: MulanPSL-2.0
/** What this kernel has, read from its BTF without any of our own code. */
import { Buffer } from "node:buffer";

/** Whether something has that name: a type, a function, an enumerator. */
export function hasName(name: string): boolean {
  return Buffer.from(Deno.readFileSync("/sys/kernel/btf/vmlinux")).includes(`\0${name}\0`);
}
