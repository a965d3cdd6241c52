// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { cutProbe, fuzzProbe } from "../../tests/fuzz_probe.ts";
import { fixture, runProbe } from "../../tests/run_probe.ts";
import { Unsupported } from "../core/errors.ts";
import systemPressure from "./system_pressure.ts";

const FILES = ["cpu", "memory", "io"].map((resource) => `proc/pressure/${resource}`);

Deno.test("system_pressure reports a row per resource and share, in seconds and ratios", () => {
  const rows = runProbe(systemPressure, fixture("proc-6.12"))["system_pressure"]!;
  assert.deepEqual(
    rows.map((row) => `${row["resource"]} ${row["share"]}`),
    ["cpu some", "cpu full", "memory some", "memory full", "io some", "io full", "irq full"],
  );
  assert.deepEqual(rows[0], {
    resource: "cpu",
    share: "some",
    stalled_seconds_total: 207.156987,
    stalled_10s_ratio: 0.125,
    stalled_60s_ratio: 0.0625,
    stalled_300s_ratio: 0.03,
  });
});

Deno.test("system_pressure has no full share of the CPU where the kernel has none", () => {
  const rows = runProbe(systemPressure, fixture("proc-5.10"))["system_pressure"]!;
  assert.deepEqual(
    rows.map((row) => `${row["resource"]} ${row["share"]}`),
    ["cpu some", "memory some", "memory full", "io some", "io full"],
  );
});

Deno.test("system_pressure is unsupported on a kernel without PSI", () => {
  assert.throws(() => runProbe(systemPressure, fixture("proc-4.19")), Unsupported);
});

Deno.test("system_pressure reports only what is certain of a file that is cut short", () => {
  cutProbe(systemPressure, FILES, ["proc-5.10", "proc-6.12"]);
});

Deno.test("system_pressure survives spoilt files", () => {
  fuzzProbe(systemPressure, FILES, (_table, row) => {
    assert.match(String(row["share"]), /^(some|full)$/);
  });
});
