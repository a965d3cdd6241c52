// SPDX-License-Identifier: MulanPSL-2.0
/** What this kernel has, read from its BTF without any of our own code. */
import { Buffer } from "node:buffer";

/** Whether packets can be lost at will; says so where not. */
export async function hasNetem(): Promise<boolean> {
  // Busybox's unshare would take its own tc, which is another program.
  const { success, stderr } = await new Deno.Command("unshare", {
    args: ["--net", ..."/usr/sbin/tc qdisc add dev lo root netem loss 1%".split(" ")],
  }).output();
  if (!success) console.log(`This kernel has no netem: ${new TextDecoder().decode(stderr).trim()}`);
  return success;
}

/** Whether something has that name: a type, a function, an enumerator. */
export function hasName(name: string): boolean {
  return Buffer.from(Deno.readFileSync("/sys/kernel/btf/vmlinux")).includes(`\0${name}\0`);
}
