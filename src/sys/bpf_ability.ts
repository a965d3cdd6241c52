// SPDX-License-Identifier: MulanPSL-2.0
/** Whether this process on this host may and can load eBPF programs at all. */
import { Unsupported } from "../core/errors.ts";
import { heldCapabilities } from "./capabilities.ts";

const KERNEL_BTF = "/sys/kernel/btf/vmlinux";
const NEEDED = ["CAP_BPF", "CAP_PERFMON"] as const;

/** Throws Unsupported with the reason and the mend. `status` is the text of /proc/self/status. */
export function demandPrivileges(status: string): void {
  const held = heldCapabilities(status);
  if (held === undefined) return; // the kernel itself will tell
  const missing = NEEDED.filter((name) => !held.has(name));
  if (missing.length === 0) return;
  const mend = `run as root, or give ${missing.join(" and ")} (CAP_SYS_ADMIN before 5.8)`;
  throw new Unsupported(
    `eBPF needs privileges that this process does not have: ${missing.join(", ")}`,
    mend,
  );
}

/** Throws Unsupported if the kernel's types cannot be had. `btfPath` is the configured file, if any. */
export function demandBtf(btfPath?: string): void {
  const path = btfPath ?? KERNEL_BTF;
  try {
    if (Deno.statSync(path).isFile) return;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  throw btfPath === undefined
    ? new Unsupported(
      `Kernel has no BTF: "${KERNEL_BTF}" does not exist`,
      "a kernel built with CONFIG_DEBUG_INFO_BTF, or the path of a BTF file in the configuration",
    )
    : new Unsupported(
      `BTF file "${btfPath}" does not exist`,
      `the path of a BTF file for this kernel, or none to use "${KERNEL_BTF}"`,
    );
}

/** Throws Unsupported unless eBPF programs can be loaded here. */
export function demandBpf(btfPath?: string): void {
  demandPrivileges(Deno.readTextFileSync("/proc/self/status"));
  demandBtf(btfPath);
}
