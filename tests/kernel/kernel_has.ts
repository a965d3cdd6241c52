// SPDX-License-Identifier: MulanPSL-2.0
/** What this kernel has, read from its BTF without any of our own code. */
import { Buffer } from "node:buffer";

/** Whether there is a raw tracepoint of that name; says so where not, as a test is left out then. */
export function hasTracepoint(name: string): boolean {
  const btf = Buffer.from(Deno.readFileSync("/sys/kernel/btf/vmlinux"));
  const found = btf.includes(`\0btf_trace_${name}\0`);
  if (!found) console.log(`This kernel has no tracepoint "${name}"`);
  return found;
}
