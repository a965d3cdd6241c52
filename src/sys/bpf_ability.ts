// SPDX-License-Identifier: MulanPSL-2.0
/** Whether this process on this host may and can load eBPF programs at all. */
import { Unsupported } from "../core/errors.ts";
import { ABI } from "./kernel_abi.ts";

export const KERNEL_BTF = "/sys/kernel/btf/vmlinux";
const CAPABILITIES_REGEXP = /^CapEff:\s*([0-9a-f]{16})$/m;
const PRIVILEGE_MEND = "run as root, or give CAP_BPF and CAP_PERFMON (CAP_SYS_ADMIN before 5.8)";

/** Throws Unsupported with the reason and the mend. `status` is the text of /proc/self/status. */
export function demandPrivileges(status: string): void {
  const digits = CAPABILITIES_REGEXP.exec(status)?.[1];
  if (digits === undefined) return; // unknown: the kernel itself will tell
  const capabilities = BigInt(`0x${digits}`);
  const has = (bit: number) => (capabilities >> BigInt(bit) & 1n) === 1n;
  if (has(ABI.CAP_SYS_ADMIN) || (has(ABI.CAP_BPF) && has(ABI.CAP_PERFMON))) return;
  throw new Unsupported("eBPF needs privileges that this process does not have", PRIVILEGE_MEND);
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
