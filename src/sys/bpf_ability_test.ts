// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { Unsupported } from "../core/errors.ts";
import { demandBtf, demandPrivileges } from "./bpf_ability.ts";

function status(...capabilities: number[]): string {
  const set = capabilities.reduce((bits, bit) => bits | 1n << BigInt(bit), 0n);
  return `Name:\tx\nCapPrm:\t0000000000000000\nCapEff:\t${set.toString(16).padStart(16, "0")}\n`;
}

Deno.test("demandPrivileges wants CAP_SYS_ADMIN, or CAP_BPF with CAP_PERFMON", () => {
  demandPrivileges(status(21));
  demandPrivileges(status(38, 39));
  for (const capabilities of [[], [38], [39], [12, 19]]) {
    assert.throws(() => demandPrivileges(status(...capabilities)), Unsupported);
  }
});

Deno.test("demandPrivileges names the one that is missing", () => {
  assert.throws(() => demandPrivileges(status(38)), /does not have: CAP_BPF$/);
  assert.throws(() => demandPrivileges(status(39)), /does not have: CAP_PERFMON$/);
  assert.throws(() => demandPrivileges(status()), /does not have: CAP_BPF, CAP_PERFMON$/);
});

Deno.test("demandPrivileges leaves the judgement to the kernel where there is no CapEff", () => {
  demandPrivileges("Name:\tx\n");
});

Deno.test("demandBtf names the configured file that does not exist", () => {
  assert.throws(() => demandBtf("/no/such.btf"), /BTF file "\/no\/such.btf" does not exist/);
  assert.throws(() => demandBtf("/proc"), Unsupported);
});
