// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { cutProbe, fuzzProbe } from "../../tests/fuzz_probe.ts";
import { fixture, runOnHost, runProbe } from "../../tests/run_probe.ts";
import { Unsupported } from "../core/errors.ts";
import systemVmstat from "./system_vmstat.ts";

const rowOf = (kernel: string) => runProbe(systemVmstat, fixture(kernel))["system_vmstat"]![0]!;

Deno.test("system_vmstat reports what a kernel of 4.19 has", () => {
  assert.deepEqual(rowOf("proc-4.19"), {
    dirty_pages: 151,
    writeback_pages: 7,
    paged_in_bytes_total: 812345 * 1024,
    paged_out_bytes_total: 912347 * 1024,
    swapped_in_pages_total: 17,
    swapped_out_pages_total: 19,
    faults_total: 4000037,
    major_faults_total: 503,
    oom_kills_total: 3,
    kswapd_scanned_pages_total: 809,
    direct_scanned_pages_total: 37,
    kswapd_reclaimed_pages_total: 701,
    direct_reclaimed_pages_total: 31,
    direct_stalls_dma32_total: 2,
    direct_stalls_normal_total: 23,
    direct_stalls_movable_total: 29,
    compaction_stalls_total: 43,
    compaction_failures_total: 5,
    refaulted_pages_total: 3001,
    numa_missed_pages_total: 13,
    numa_migrated_pages_total: 41,
    huge_page_fallbacks_total: 11,
  });
});

Deno.test("system_vmstat tells refaults apart where the kernel does, and leaves out what it lacks", () => {
  const row = rowOf("proc-5.10");
  assert.equal(row["refaulted_pages_total"], undefined);
  assert.equal(row["refaulted_anon_pages_total"], 5);
  assert.equal(row["refaulted_file_pages_total"], 7);
  assert.equal(row["compaction_stalls_total"], undefined);
  assert.equal(row["faults_total"], 2 ** 64);
});

Deno.test("system_vmstat is unsupported without its file, and empty when the file is", () => {
  assert.throws(() => runProbe(systemVmstat, {}), Unsupported);
  assert.deepEqual(runProbe(systemVmstat, { "proc/vmstat": "" }), { system_vmstat: [] });
});

Deno.test("system_vmstat reports only what is certain of a file that is cut short", () => {
  cutProbe(systemVmstat, ["proc/vmstat"]);
});

Deno.test("system_vmstat survives spoilt files", () => {
  fuzzProbe(systemVmstat, ["proc/vmstat"], () => {});
});

Deno.test("system_vmstat agrees with this host's /proc/vmstat", () => {
  const faults = () => Number(/^pgfault (\d+)$/m.exec(Deno.readTextFileSync("/proc/vmstat"))![1]);
  const before = faults();
  const shown = Number(runOnHost(systemVmstat)["system_vmstat"]![0]!["faults_total"]);
  assert.ok(before <= shown && shown <= faults());
});
