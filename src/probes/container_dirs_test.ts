// SPDX-License-Identifier: MulanPSL-2.0
/** With answers of the test; real folders are looked at in tests/kernel/container_dirs_test.ts. */
import assert from "node:assert/strict";
import { fixture, NO_CALLS, runProbe, runProbeSlowly } from "../../tests/run_probe.ts";
import { Unsupported } from "../core/errors.ts";
import { ContainerLookup } from "../core/container_lookup.ts";
import { ProcessTable } from "../core/process_table.ts";
import containerDirs from "./container_dirs.ts";

const HOST = fixture("container-v2-6.12");
const LIBPOD = "a1b2c3d4e5f6";
const files = {
  list: () => Object.keys(HOST).map((path) => /^proc\/(\d+)\//.exec(path)?.[1] ?? "x"),
  readOptional: (path: string) =>
    HOST[path] === undefined ? undefined : new TextEncoder().encode(HOST[path]),
};

/** Rows after looks that find so many bytes, a minute between each two. */
async function rows(bytes: readonly (number | undefined)[], dirs = "/data") {
  let now = 0;
  let look = -1;
  const clock = () => now;
  const asked: string[] = [];
  const treeBytes = (pid: number, folder: string) => {
    asked.push(`${pid} ${folder}`);
    return Promise.resolve(bytes[Math.min(look, bytes.length - 1)]);
  };
  const containers = new ContainerLookup(files, { clock });
  const scan = containers.scan.bind(containers);
  containers.scan = () => {
    look++;
    now += 60_000;
    return scan().filter(({ container }) => container.shortId === LIBPOD);
  };
  const shared = {
    containers,
    processes: new ProcessTable(files, { clock }),
    calls: { ...NO_CALLS, treeBytes },
  };
  // A reading each 5 s, and one that shows what the last look has found.
  const ticks = (bytes.length - 1) * 12 + 2;
  const options = { settings: { dirs, interval: 60 }, shared };
  const found = (await runProbeSlowly(containerDirs, HOST, ticks, options))["system_con_io"]!;
  return { asked, rows: found.map((row) => [row["dir"], row["write_rate"]]) };
}

Deno.test("container_dirs tells how fast a folder grew between two looks", async () => {
  const { asked, rows: grown } = await rows([1000, 7000]);
  assert.deepEqual(grown, [["/data", 100]]);
  assert.equal(new Set(asked).size, 1);
  assert.deepEqual((await rows([1000, 7000, 7000])).rows, [["/data", 0]]);
  assert.deepEqual((await rows([1000, 10])).rows, [["/data", 0]], "it shrank");
});

Deno.test("container_dirs has a row for each folder, none for what is not there, and no rate at first", async () => {
  const { rows: two } = await rows([1000, 7000], "/data, /logs");
  assert.deepEqual(two.sort(), [["/data", 100], ["/logs", 100]]);
  assert.deepEqual((await rows([1000, undefined])).rows.map(([, rate]) => rate), [undefined]);
  assert.deepEqual((await rows([undefined])).rows, []);
  assert.deepEqual((await rows([NaN, NaN])).rows, []);
  assert.deepEqual((await rows([1000])).rows, [["/data", undefined]]);
});

Deno.test("container_dirs rests while no folder is named", () => {
  assert.throws(() => runProbe(containerDirs, HOST), Unsupported);
});
