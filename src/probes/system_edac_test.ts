// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { cutProbe, fuzzProbe } from "../../tests/fuzz_probe.ts";
import { fixture, type Row, runOnHost, runProbe } from "../../tests/run_probe.ts";
import systemEdac from "./system_edac.ts";

const FOLDER = "sys/devices/system/edac/mc";
const LABELS = ["CPU_SrcID#0_MC#0_Chan#0_DIMM#0", "CPU_SrcID#0_MC#0_Chan#1_DIMM#1"] as const;

/** Files of controllers, by path below their folder; numbers end as the kernel ends them. */
function controllers(texts: Readonly<Record<string, string | number>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(texts).map(([path, text]) => [
      `${FOLDER}/${path}`,
      typeof text === "number" ? `${text}\n` : text,
    ]),
  );
}

/** Name, type, label, controller, layers, count. */
function shown(rows: readonly Row[]): string[] {
  return rows.map((row) => Object.values(row).join("|"));
}

function rowsOf(...readings: readonly Record<string, string>[]): string[] {
  return shown(runProbe(systemEdac, readings)["mem_mc_event"]!);
}

Deno.test("mem_mc_event has the errors of each DIMM, and of the controller those of no DIMM", () => {
  const [corrected] = runProbe(systemEdac, fixture("proc-4.19"))["mem_mc_event"]!;
  assert.deepEqual(corrected, {
    name: "mc0/dimm0",
    err_type: "Corrected",
    label: LABELS[0],
    mc_index: "0",
    top_layer: "0",
    mid_layer: "0",
    error_count: 23,
  });
  assert.deepEqual(rowsOf(fixture("proc-4.19")), [
    `mc0/dimm0|Corrected|${LABELS[0]}|0|0|0|23`,
    `mc0/dimm0|Uncorrected|${LABELS[0]}|0|0|0|0`,
    `mc0/dimm3|Corrected|${LABELS[1]}|0|1|1|0`,
    `mc0/dimm3|Uncorrected|${LABELS[1]}|0|1|1|1`,
    "mc0|Corrected||0|-1|-1|2",
    "mc0|Uncorrected||0|-1|-1|0",
  ]);
});

Deno.test("mem_mc_event has ranks without a label", () => {
  assert.deepEqual(rowsOf(fixture("proc-5.10")), [
    "mc1/rank1|Corrected||1|0|1|3",
    "mc1/rank1|Uncorrected||1|0|1|0",
    "mc1|Corrected||1|-1|-1|1",
    "mc1|Uncorrected||1|-1|-1|0",
  ]);
});

Deno.test("mem_mc_event has channels of chip-select rows where DIMMs do not count", () => {
  const old = controllers({
    "mc0/ce_count": 8,
    "mc0/ce_noinfo_count": 1,
    "mc0/ue_noinfo_count": 0,
    "mc0/dimm0/dimm_label": "A1\n",
    "mc0/csrow10/ue_count": 0,
    "mc0/csrow10/ce_count": 0,
    "mc0/csrow2/ce_count": 7,
    "mc0/csrow2/ue_count": 2,
    "mc0/csrow2/ch0_ce_count": 5,
    "mc0/csrow2/ch0_dimm_label": "A1\n",
    "mc0/csrow2/ch1_ce_count": 2,
    "mc0/csrow2/ch1_dimm_label": "B1\n",
  });
  assert.deepEqual(rowsOf(old), [
    "mc0/csrow2/ch0|Corrected|A1|0|2|0|5",
    "mc0/csrow2/ch1|Corrected|B1|0|2|1|2",
    "mc0/csrow2|Uncorrected|A1 or B1|0|2|-1|2",
    "mc0/csrow10|Corrected||0|10|-1|0",
    "mc0/csrow10|Uncorrected||0|10|-1|0",
    "mc0|Corrected||0|-1|-1|1",
    "mc0|Uncorrected||0|-1|-1|0",
  ]);
});

Deno.test("mem_mc_event has all errors of a controller that tells of nothing below it", () => {
  const alone = controllers({
    "mc0/ce_count": 9,
    "mc0/ue_count": 1,
    "mc0/ce_noinfo_count": 9,
    "mc11/ce_count": 4,
    "mc2/ce_count": 3,
    "mcx/ce_count": 5,
  });
  assert.deepEqual(rowsOf(alone), [
    "mc0|Corrected||0|-1|-1|9",
    "mc0|Uncorrected||0|-1|-1|1",
    "mc2|Corrected||2|-1|-1|3",
    "mc11|Corrected||11|-1|-1|4",
  ]);
});

Deno.test("mem_mc_event takes two of three layers, and no text for a number", () => {
  const odd = controllers({
    "mc0/dimm0/dimm_ce_count": 4294967295,
    "mc0/dimm0/dimm_location": "branch 1 channel 0 slot 3 ",
    "mc0/dimm0/dimm_label": "a\nb\0c\x7f\n",
    "mc0/dimm1/dimm_ce_count": "-1\n",
    "mc0/dimm1/dimm_ue_count": "7", // cut short: it may be 70
    "mc0/dimm2/dimm_ce_count": "many\n",
    "mc0/dimm4/dimm_ce_count": 6,
    "mc0/dimm4/dimm_location": "memory 2 \n",
  });
  assert.deepEqual(rowsOf(odd), [
    "mc0/dimm0|Corrected|a b c|0|1|0|4294967295",
    "mc0/dimm4|Corrected||0|2|-1|6",
  ]);
});

Deno.test("system_edac sees at once what vanishes, after 30 s what comes or has a new label", () => {
  const [first, second] = ["mc0/dimm0/dimm_ce_count", "mc1/dimm0/dimm_ce_count"];
  const labelled = controllers({
    [first!]: 2,
    "mc0/dimm0/dimm_label": "A1\n",
    [second!]: 5,
  });
  const before = controllers({ [first!]: 1 });
  assert.deepEqual(rowsOf(before, {}), ["mc0/dimm0|Corrected||0|-1|-1|1"]);
  assert.deepEqual(rowsOf(before, ...Array(5).fill(labelled)), ["mc0/dimm0|Corrected||0|-1|-1|2"]);
  assert.deepEqual(rowsOf(before, ...Array(6).fill(labelled)), [
    "mc0/dimm0|Corrected|A1|0|-1|-1|2",
    "mc1/dimm0|Corrected||1|-1|-1|5",
  ]);
});

Deno.test("system_edac is bounded", () => {
  const texts: Record<string, number> = {};
  for (let dimm = 0; dimm < 5000; dimm++) texts[`mc0/dimm${dimm}/dimm_ce_count`] = dimm;
  assert.equal(rowsOf(controllers(texts)).length, 4096);
});

Deno.test("system_edac has no rows without EDAC, and none without a driver", () => {
  assert.deepEqual(rowsOf(fixture("proc-6.12")), []);
  assert.deepEqual(rowsOf({ "sys/devices/system/edac/power/control": "auto\n" }), []);
});

const PATHS = ["dimm_label", "dimm_location", "dimm_ce_count"].map((name) =>
  `${FOLDER}/mc0/dimm0/${name}`
);

Deno.test("system_edac reports only what is certain of a count that is cut short", () => {
  cutProbe(systemEdac, PATHS.slice(2), ["proc-4.19"]);
});

Deno.test("system_edac survives spoilt files", () => {
  fuzzProbe(systemEdac, PATHS, (_table, row) => {
    assert.match(String(row["name"]), /^mc\d+(\/(dimm|rank)\d+)?$/);
    assert.match(String(row["top_layer"]), /^(-1|\d{1,5})$/);
    assert.ok(Number(row["error_count"]) >= 0);
  });
});

Deno.test("system_edac agrees with this host's sysfs", () => {
  const sums = new Map<string, number>();
  for (const row of runOnHost(systemEdac)["mem_mc_event"]!) {
    const kind = row["err_type"] === "Corrected" ? "ce" : "ue";
    const path = `/sys/devices/system/edac/mc/mc${row["mc_index"]}/${kind}_count`;
    sums.set(path, (sums.get(path) ?? 0) + Number(row["error_count"]));
  }
  for (const [path, sum] of sums) assert.ok(sum <= Number(Deno.readTextFileSync(path)), path);
});
