// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { cutProbe, fuzzProbe } from "../../tests/fuzz_probe.ts";
import { fixture, runOnHost, runProbe, TICK_SECONDS } from "../../tests/run_probe.ts";
import { Unsupported } from "../core/errors.ts";
import systemDisk from "./system_disk.ts";

/** Lines of a disk whose columns behind the name are `columns`, the rest 0. */
const line = (name: string, ...columns: number[]) =>
  `   8       0 ${name} ${Array.from({ length: 17 }, (_, i) => columns[i] ?? 0).join(" ")}\n`;
const stats = (...lines: string[]) => ({ "proc/diskstats": lines.join("") });
const rates = (...readings: string[]) =>
  runProbe(systemDisk, readings.map((text) => stats(text)))["system_iostat"]!;

Deno.test("disk_io reports the totals of every disk that did anything, but no partition", () => {
  const rows = runProbe(systemDisk, fixture("proc-4.19"))["disk_io"]!;
  assert.deepEqual(rows.map((row) => row["disk_name"]), ["sda", "dm-0", "cciss!c0d0"]);
  assert.deepEqual(rows[0], {
    disk_name: "sda",
    reads_total: 28113,
    read_bytes_total: 3643572 * 512,
    read_seconds_total: 9.344,
    writes_total: 119389,
    written_bytes_total: 12096368 * 512,
    write_seconds_total: 103.83,
    discards_total: 7,
    busy_seconds_total: 98.049,
    queue_seconds_total: 69.319,
    in_flight: 2,
  });
});

Deno.test("disk_io reports flushes where the kernel counts them", () => {
  const row = runProbe(systemDisk, fixture("proc-5.10"))["disk_io"]![0]!;
  assert.deepEqual([row["flushes_total"], row["flush_seconds_total"]], [17, 0.029]);
});

Deno.test("system_iostat has the arithmetic of iostat, and no row before there is a period", () => {
  const first = line("sda", 100, 0, 800, 50, 10, 0, 80, 20, 0, 40, 70);
  const second = line("sda", 150, 0, 1800, 150, 10, 0, 80, 20, 1, 540, 1570);
  assert.deepEqual(rates(first), []);
  assert.deepEqual(rates(first, second), [{
    disk_name: "sda",
    rspeed: 50 / TICK_SECONDS,
    rspeed_kB: 500 / TICK_SECONDS,
    r_await: 2,
    rareq: 10,
    wspeed: 0,
    wspeed_kB: 0,
    w_await: 0,
    wareq: 0,
    aqu: 1500 / 1000 / TICK_SECONDS,
    util: 500 / 1000 / TICK_SECONDS * 100,
  }]);
});

Deno.test("system_disk goes on counting when milliseconds of 32 bits start again", () => {
  const nearEnd = 2 ** 32 - 100;
  const first = line("sda", 100, 0, 800, nearEnd, 10, 0, 80, 20, 0, 40, nearEnd);
  const second = line("sda", 110, 0, 880, 150, 10, 0, 80, 20, 0, 50, 400);
  const third = line("sda", 120, 0, 960, 250, 10, 0, 80, 20, 0, 60, 500);
  const rows = runProbe(systemDisk, [stats(first), stats(second), stats(third)]);
  assert.equal(rows["disk_io"]![0]!["read_seconds_total"], (2 ** 32 + 250) / 1000);
  assert.equal(rows["system_iostat"]![0]!["r_await"], 10);
  assert.equal(rates(first, second)[0]!["r_await"], 25);
});

Deno.test("system_disk starts anew with another disk of the same name", () => {
  const first = line("sda", 100, 0, 800, 4e9, 10, 0, 80, 20, 0, 40, 70);
  const other = line("sda", 3, 0, 24, 5, 0, 0, 0, 0, 0, 1, 5);
  assert.deepEqual(rates(first, other), []);
  const rows = runProbe(systemDisk, [stats(first), stats(other)]);
  assert.equal(rows["disk_io"]![0]!["read_seconds_total"], 0.005);
  assert.deepEqual(rates(first, line("sdb", 1), first), [], "gone for a reading");
});

Deno.test("system_disk shows no rates of a disk that vanished", () => {
  const both = line("sda", 1) + line("sdb", 2);
  const rows = runProbe(systemDisk, [stats(both), stats(both), stats(line("sda", 5))]);
  assert.deepEqual(
    rows["system_iostat"]!.map((row) => [row["disk_name"], row["rspeed"]]),
    [["sda", 4 / TICK_SECONDS], ["sdb", 0]],
    "the row of sdb is the one of the second reading, until it expires",
  );
});

Deno.test("system_disk is unsupported without its file", () => {
  assert.throws(() => runProbe(systemDisk, {}), Unsupported);
});

Deno.test("system_disk reports only what is certain of a file that is cut short", () => {
  cutProbe(systemDisk, ["proc/diskstats"]);
});

Deno.test("system_disk survives spoilt files", () => {
  fuzzProbe(systemDisk, ["proc/diskstats"], (_table, row) => {
    for (const [name, value] of Object.entries(row)) {
      if (typeof value === "number") assert.ok(value >= 0, `${name} ${value}`);
    }
  });
});

Deno.test("system_disk agrees with this host's /proc/diskstats", () => {
  const reads = () => {
    const lines = Deno.readTextFileSync("/proc/diskstats").trim().split("\n");
    return new Map(
      lines.map((line) => line.trim().split(/\s+/)).map((words) => [words[2], +words[3]!]),
    );
  };
  const before = reads();
  const rows = runOnHost(systemDisk)["disk_io"]!;
  const after = reads();
  assert.ok(rows.length > 0);
  for (const row of rows) {
    const name = String(row["disk_name"]);
    const shown = Number(row["reads_total"]);
    assert.ok(before.get(name)! <= shown && shown <= after.get(name)!, name);
  }
});
