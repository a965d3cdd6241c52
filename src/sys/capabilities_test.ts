// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { probes } from "../gen/all.ts";
import { heldCapabilities, wantedCapabilities } from "./capabilities.ts";

function held(...bits: number[]): string[] {
  const set = bits.reduce((sum, bit) => sum | 1n << BigInt(bit), 0n);
  return [...heldCapabilities(`CapEff:\t${set.toString(16).padStart(16, "0")}\n`)!].sort();
}

Deno.test("heldCapabilities reads the effective set, with what one implies", () => {
  assert.deepEqual(held(39, 38), ["CAP_BPF", "CAP_PERFMON"]);
  assert.deepEqual(held(21), ["CAP_BPF", "CAP_PERFMON", "CAP_SYS_ADMIN"]);
  assert.deepEqual(held(1, 19), ["CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_SYS_PTRACE"]);
  assert.deepEqual(held(0), []);
  assert.equal(heldCapabilities("Name:\tx\n"), undefined);
});

Deno.test("wantedCapabilities has those of eBPF, and what each probe declares", () => {
  const wanted = (
    name: string,
  ) => [...wantedCapabilities(probes.find((probe) => probe.name === name)!).keys()];
  assert.deepEqual(wanted("tcp"), ["CAP_BPF", "CAP_PERFMON", "CAP_SYS_ADMIN", "CAP_SYS_PTRACE"]);
  assert.deepEqual(wanted("system_host"), ["CAP_DAC_READ_SEARCH"]);
  assert.deepEqual(wanted("system_cpu"), []);
});
