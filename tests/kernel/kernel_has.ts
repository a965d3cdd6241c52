// SPDX-License-Identifier: MulanPSL-2.0
/** What this kernel has, read from its BTF without any of our own code. */
import { Buffer } from "node:buffer";

/** Whether packets can be lost at will; says so where not. */
export function hasNetem(): Promise<boolean> {
  return hasQdisc("netem loss 1%");
}

/** Whether there is that queueing discipline, with its arguments; says so where not. */
export async function hasQdisc(qdisc: string): Promise<boolean> {
  // Busybox's unshare would take its own tc, which is another program.
  const { success, stderr } = await new Deno.Command("unshare", {
    args: ["--net", ...`/usr/sbin/tc qdisc add dev lo root ${qdisc}`.split(" ")],
  }).output();
  const why = new TextDecoder().decode(stderr).trim();
  if (!success) console.log(`This kernel has no ${qdisc.split(" ")[0]}: ${why}`);
  return success;
}

/** Whether something has that name: a type, a function, an enumerator. */
export function hasName(name: string): boolean {
  return Buffer.from(Deno.readFileSync("/sys/kernel/btf/vmlinux")).includes(`\0${name}\0`);
}
