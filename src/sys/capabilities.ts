// SPDX-License-Identifier: MulanPSL-2.0
/** Capabilities of this process, and those that a probe wants. */
import type { AnyProbe, Capability } from "../core/probe.ts";
import { ABI } from "./kernel_abi.ts";

const CAPABILITIES_REGEXP = /^CapEff:\s*([0-9a-f]{16})$/m;

const NAMES = [
  "CAP_BPF",
  "CAP_PERFMON",
  "CAP_SYS_ADMIN",
  "CAP_SYS_PTRACE",
  "CAP_DAC_READ_SEARCH",
  "CAP_DAC_OVERRIDE",
  "CAP_SETUID",
  "CAP_SETGID",
  "CAP_KILL",
] as const satisfies readonly Capability[];

/** What the kernel takes another one for. */
const IMPLIED: readonly (readonly [Capability, readonly Capability[]])[] = [
  ["CAP_SYS_ADMIN", ["CAP_BPF", "CAP_PERFMON"]],
  ["CAP_DAC_OVERRIDE", ["CAP_DAC_READ_SEARCH"]],
];

/** From the text of /proc/self/status; undefined when it does not tell. */
export function heldCapabilities(status: string): ReadonlySet<Capability> | undefined {
  const digits = CAPABILITIES_REGEXP.exec(status)?.[1];
  if (digits === undefined) return undefined;
  const bits = BigInt(`0x${digits}`);
  const held = new Set<Capability>(NAMES.filter((name) => (bits >> BigInt(ABI[name]) & 1n) === 1n));
  for (const [strong, implied] of IMPLIED) {
    if (held.has(strong)) { for (const name of implied) held.add(name); }
  }
  return held;
}

/** Of an external probe that runs as another user. */
export const OTHER_USER: ReadonlyMap<Capability, string> = new Map([
  ["CAP_SETUID", "anything: it cannot be started as its user"],
  ["CAP_SETGID", "anything: it cannot be started in its user's group"],
  ["CAP_KILL", "an end: its processes are another user's"],
]);

const NO_PROGRAMS = "anything: the kernel takes no eBPF program";

/** What the probe wants, each with what it lacks without. */
export function wantedCapabilities(probe: AnyProbe): ReadonlyMap<Capability, string> {
  const wanted = new Map<Capability, string>();
  if (probe.kind === "ebpf") wanted.set("CAP_BPF", NO_PROGRAMS).set("CAP_PERFMON", NO_PROGRAMS);
  for (const name of NAMES) {
    const lacking = probe.capabilities?.[name];
    if (lacking !== undefined) wanted.set(name, lacking);
  }
  return wanted;
}
