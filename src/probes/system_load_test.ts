// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { cutProbe, fuzzProbe } from "../../tests/fuzz_probe.ts";
import { fixture, runProbe } from "../../tests/run_probe.ts";
import { Unsupported } from "../core/errors.ts";
import systemLoad from "./system_load.ts";

const FILES = ["proc/loadavg", "proc/sys/kernel/threads-max", "proc/sys/kernel/pid_max"];

Deno.test("system_load reports averages, threads and their limits", () => {
  assert.deepEqual(runProbe(systemLoad, fixture("proc-6.12"))["system_load"], [{
    average_1m: 257.01,
    average_5m: 128.5,
    average_15m: 64,
    runnable_threads: 300,
    threads: 20011,
    threads_limit: 2061000,
    pid_limit: 4194304,
  }]);
});

Deno.test("system_load goes on without the limits, and is unsupported without /proc/loadavg", () => {
  const files = { "proc/loadavg": "0.01 0.02 0.03 1/2 3\n" };
  assert.deepEqual(runProbe(systemLoad, files)["system_load"], [
    { average_1m: 0.01, average_5m: 0.02, average_15m: 0.03, runnable_threads: 1, threads: 2 },
  ]);
  assert.throws(() => runProbe(systemLoad, {}), Unsupported);
});

Deno.test("system_load reports only what is certain of a file that is cut short", () => {
  cutProbe(systemLoad, FILES);
});

Deno.test("system_load survives spoilt files", () => {
  fuzzProbe(systemLoad, FILES, () => {});
});
