// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { fuzzProbe } from "../../tests/fuzz_probe.ts";
import {
  type FileTexts,
  fixture,
  type Row,
  runProbe,
  runProbeSlowly,
  TICK_SECONDS,
  type Values,
} from "../../tests/run_probe.ts";
import { Unsupported } from "../core/errors.ts";
import { NO_FILTER, Snooper } from "../core/proc_filter.ts";
import { ProcessTable } from "../core/process_table.ts";
import systemProc from "./system_proc.ts";

const GOLDEN = new URL("../../tests/golden/", import.meta.url);
const VERSIONS = ["4.19", "5.10", "6.12"] as const;
const FILES = ["stat", "io", "limits", "cmdline", "smaps_rollup"].map((name) =>
  `proc/4711/${name}`
);

function rows(
  files: FileTexts | readonly FileTexts[],
  given: Values = {},
  ticks?: number,
): Map<string, Row> {
  return byId(runProbe(systemProc, files, ticks, { settings: given })["system_proc"]!);
}

/** With what is read beside the ticks. */
async function slowRows(
  files: FileTexts | readonly FileTexts[],
  ticks: number,
  given: Values = {},
): Promise<Map<string, Row>> {
  const all = await runProbeSlowly(systemProc, files, ticks, { settings: given });
  return byId(all["system_proc"]!);
}

const byId = (all: readonly Row[]) => new Map(all.map((row) => [String(row["tgid"]), row]));

const ids = (found: ReadonlyMap<string, Row>) =>
  [...found.keys()].map(Number).sort((a, b) => a - b);

/** The files with some texts replaced in the stat of 4711. */
function withStat(files: FileTexts, from: string, to: string): FileTexts {
  const stat = String(files["proc/4711/stat"]);
  assert.ok(stat.includes(from), `${from} is in ${stat}`);
  return { ...files, "proc/4711/stat": stat.replace(from, () => to) };
}

for (const version of VERSIONS) {
  Deno.test(`system_proc reports of Linux ${version} what tests/golden/system_proc.json says`, async () => {
    // The versions' hosts differ in memory.
    const files = { ...fixture(`proc-${version}`), "proc/meminfo": "MemTotal: 8009996 kB\n" };
    const everyone = { proc_id: "1,2,37,4711,4712" };
    const found = [...(await slowRows(files, 2, everyone)).values()];
    found.sort((one, other) => Number(one["tgid"]) - Number(other["tgid"]));
    const golden = JSON.parse(Deno.readTextFileSync(new URL("system_proc.json", GOLDEN)));
    assert.deepEqual(found, golden);
  });
}

Deno.test("system_proc reports the share of a CPU since the last reading, and of each kind of time", () => {
  const before = fixture("proc-6.12");
  const after = withStat(before, " 250 75 11 22 ", " 1250 325 11 22 ");
  assert.equal(rows(before).get("4711")!["cpu_util"], undefined, "nothing to compare with");
  const row = rows([before, after]).get("4711")!;
  assert.deepEqual(
    [row["cpu_user_util"], row["cpu_system_util"], row["cpu_util"]],
    [1000 / TICK_SECONDS, 250 / TICK_SECONDS, 1250 / TICK_SECONDS],
  );
});

Deno.test("system_proc knows no share where a counter went back or wrapped, and shows the counter as it is", () => {
  const before = fixture("proc-6.12");
  const row = rows([before, withStat(before, " 250 75 ", " 3 80 ")]).get("4711")!;
  assert.equal(row["cpu_user_util"], undefined);
  assert.equal(row["cpu_util"], undefined);
  assert.equal(row["cpu_system_util"], 5 / TICK_SECONDS);
  assert.equal(row["utime_jiffies"], 3);
});

Deno.test("system_proc takes a later process with the same id for a new row", async () => {
  const before = fixture("proc-6.12");
  const later = withStat(withStat(before, " 86400 ", " 99999 "), " 250 75 ", " 10 5 ");
  const after = {
    ...later,
    "proc/4711/cmdline": "other\0",
    "proc/4711/smaps_rollup": "Swap: 3 kB\n",
  };
  const first = rows([before, after]).get("4711")!;
  assert.equal(first["cpu_util"], 15 / TICK_SECONDS, "all of its time is since the last reading");
  const row = (await slowRows([before, after], 3)).get("4711")!;
  assert.deepEqual([row["start_time"], row["cmdline"]], ["99999", "other"]);
  assert.deepEqual([row["swap_data_size"], row["shared_clean_size"]], [3, undefined]);
});

Deno.test("system_proc reads the command line again after an exec", () => {
  const before = fixture("proc-6.12");
  const after = {
    ...withStat(before, "140731000500000", "140731000510000"),
    "proc/4711/cmdline": "execed\0",
  };
  assert.equal(rows([before, after]).get("4711")!["cmdline"], "execed");
  const same = { ...before, "proc/4711/cmdline": "rewritten\0" };
  assert.equal(rows([before, same]).get("4711")!["cmdline"], "/usr/bin/my --data=/a b");
});

Deno.test("system_proc leaves out a process that ends while it is read, at whichever file", () => {
  const files = fixture("proc-6.12");
  for (const name of ["stat", "limits"]) {
    const { [`proc/4711/${name}`]: _gone, ...rest } = files;
    assert.deepEqual(ids(rows(rest)), [1, 37, 2, 4712].sort((a, b) => a - b), name);
  }
  const { "proc/4711/io": _io, "proc/4711/smaps_rollup": _smaps, ...rest } = files;
  const row = rows(rest).get("4711")!;
  assert.deepEqual([row["rchar_bytes"], row["swap_data_size"]], [undefined, undefined]);
  assert.equal(row["utime_jiffies"], 250, "what may not be read is left out, the rest is told");
});

Deno.test("system_proc reports those that use most CPU and those that use most memory", () => {
  const files = fixture("proc-6.12");
  assert.deepEqual(ids(rows(files, { top: 1 })), [4712], "it has most of both");
  const idle = withStat(files, " 250 75 ", " 5000000000 75 ");
  assert.deepEqual(ids(rows(idle, { top: 1 })), [4711, 4712]);
  assert.deepEqual(ids(rows(files, { top: 0 })), []);
});

Deno.test("system_proc goes on with a process until another uses clearly more CPU time", () => {
  const first = fixture("proc-6.12");
  // 4712 has most memory all the time, so 4711 is there by its CPU time or not at all.
  const then = (utime: number, ofOther: number) => ({
    ...withStat(first, " 250 75 ", ` ${utime} 75 `),
    "proc/4712/stat": String(first["proc/4712/stat"]).replace("4000000000", `${ofOther}`),
  });
  const readings = [
    then(250, 4000000000),
    then(350, 4000000000),
    then(351, 4000000060),
    then(352, 4000000260),
  ];
  const shown = (count: number) => rows(readings.slice(0, count), { top: 1 }).get("4711");
  assert.equal(shown(1), undefined, "the other has used more since it runs");
  assert.deepEqual([2, 3, 4].map((count) => shown(count)!["utime_jiffies"]), [350, 351, 351]);
});

Deno.test("system_proc reports what the filter names, and nothing else", () => {
  const files = fixture("proc-6.12");
  const named = (values: Record<string, string>) => ids(rows(files, values));
  assert.deepEqual(named({ proc_name: "^java$" }), [4712]);
  assert.deepEqual(named({ proc_name: "a|d" }), [2, 4711, 4712].concat(1).sort((a, b) => a - b));
  assert.deepEqual(named({ cmdline: "org.example.Main" }), [4712]);
  assert.deepEqual(named({ proc_name: "java", cmdline: "nothing" }), []);
  assert.deepEqual(named({ proc_id: "1,37,99" }), [1, 37]);
  const whitelist = new URL("../../tests/fixtures/whitelist.conf", import.meta.url).pathname;
  assert.deepEqual(named({ whitelist }), [1, 4712]);
  assert.deepEqual(named({ whitelist, proc_id: "2" }), [1, 2, 4712]);
});

Deno.test("system_proc shows the container of a process, and filters by it", () => {
  const containerOf = (pid: number) => pid === 4712 ? "0123456789ab" : "";
  const found = (values: Record<string, string>) => {
    const processes = new ProcessTable({ readOptional: () => undefined }, {
      clock: () => 0,
      containerOf,
    });
    const options = { settings: values, shared: { processes } };
    const all = runProbe(systemProc, fixture("proc-6.12"), 1, options)["system_proc"]!;
    return all.filter(({ container_id }) => container_id !== "")
      .map(({ tgid, container_id }) => [tgid, container_id]);
  };
  assert.deepEqual(found({}), [["4712", "0123456789ab"]]);
  assert.deepEqual(found({ container_id: "0123456789AB" }), [["4712", "0123456789ab"]]);
  assert.deepEqual(found({ container_id: "fffffffffffe" }), []);
});

Deno.test("system_proc obeys a filter that was set at run time, also over its configuration", () => {
  const snooper = new Snooper();
  snooper.filter = { ...NO_FILTER, pids: new Set([2]) };
  const files = fixture("proc-6.12");
  const options = { settings: { proc_id: "1" }, shared: { snooper } };
  const found = runProbe(systemProc, files, 1, options);
  assert.deepEqual(found["system_proc"]!.map((row) => row["tgid"]), ["2"]);
});

Deno.test("system_proc reads smaps_rollup on its own period, or never", async () => {
  const first = fixture("proc-6.12");
  const then = { ...first, "proc/4711/smaps_rollup": "Swap: 77 kB\n" };
  const swap = async (ticks: number, values = {}) =>
    (await slowRows([first, then], ticks, values)).get("4711")!["swap_data_size"];
  assert.equal(await swap(1), undefined, "comes with the next reading");
  assert.equal(await swap(2), 16);
  assert.equal(await swap(60 / TICK_SECONDS + 1), 16);
  assert.equal(await swap(60 / TICK_SECONDS + 2), 77);
  assert.equal(await swap(4, { smaps_interval: 2 * TICK_SECONDS }), 77);
  assert.equal(await swap(20, { smaps_interval: 0 }), undefined);
});

Deno.test("system_proc is unsupported without /proc/meminfo, and empty without processes", () => {
  assert.throws(() => rows({}), Unsupported);
  assert.deepEqual(
    ids(rows({ "proc/meminfo": "MemTotal: 10 kB\n", "proc/x/stat": "1 (a) S" })),
    [],
  );
});

Deno.test("system_proc survives spoilt files", () => {
  fuzzProbe(systemProc, FILES, (_table, row) => {
    assert.match(String(row["tgid"]), /^\d+$/);
  }, 500);
});
