// SPDX-License-Identifier: MulanPSL-2.0
/** From an array of counts in the kernel to a histogram of the store. */
import assert from "node:assert/strict";
import { id } from "../../src/core/labels.ts";
import { log2Bounds, log4Bounds, ofBuckets } from "../../src/core/declare.ts";
import type { MapTable } from "../../src/core/probe.ts";
import { Store } from "../../src/core/store.ts";
import { kernelEnums } from "../../src/sys/kernel_enums.ts";
import { MapFeed } from "../../src/sys/map_feed.ts";
import { BpfObject } from "../../src/sys/object.ts";
import { openInstalled, testImage } from "./test_object.ts";
import { callMany, onCpu } from "./workload.ts";

const SLOTS = 12;
const FOURS = 7;
const CALLS = 5003;
const OPTIONS = { labels: { enums: kernelEnums(), idOf: () => undefined } };

function spec(slots: number): MapTable {
  const bounds = log2Bounds(slots, 1e-9);
  return {
    map: "spread",
    entity: "call",
    version: "1.0.0",
    keys: ["odd"],
    labels: [],
    on: true,
    programs: [],
    insteadOf: [],
    labelReaders: [id("odd")],
    metrics: {
      seconds: ofBuckets({ field: "slots", sum: "sum", scale: 1e-9 }, bounds, "S.", "seconds"),
      again: ofBuckets({ field: "slots" }, bounds, "S.", "seconds"),
      fours: ofBuckets(
        { field: "fours", sum: "sum", scale: 1e-9 },
        log4Bounds(FOURS, 1e-9),
        "S.",
        "seconds",
      ),
    },
  };
}

/** What the values first, first + 2 ... below CALLS must give. */
function expected(first: number, bounds = log2Bounds(SLOTS)): number[] {
  const counts = new Array<number>(bounds.length + 1).fill(0);
  let sum = 0;
  for (let value = first; value < CALLS; value += 2) {
    const slot = bounds.findIndex((bound) => value <= bound);
    counts[slot < 0 ? bounds.length : slot]!++;
    sum += value;
  }
  return [...counts, sum * 1e-9];
}

Deno.test("MapFeed carries 5,003 values of all CPUs into the right buckets, and their sum", async () => {
  using libbpf = openInstalled();
  const constants = { watch_tgid: Deno.pid };
  using object = await BpfObject.load(libbpf, await testImage("histogram", { constants }));
  object.demand();
  const store = new Store({ maxTables: 1, maxRows: 9, maxFields: 9, timeoutMs: 1000 }, {});
  const table = store.add("spread", "test", spec(SLOTS));
  const feed = new MapFeed(object.table("spread"), [{ spec: spec(SLOTS), table }], OPTIONS);
  const share = Math.floor(CALLS / libbpf.cpus);
  for (let cpu = 0; cpu < libbpf.cpus; cpu++) {
    onCpu(cpu, () => callMany(cpu === 0 ? CALLS - share * (libbpf.cpus - 1) : share));
  }
  feed.read(1);
  feed.read(2);
  for (const odd of [0, 1]) {
    const slot = table.row([String(odd)], 2);
    const numbers = Array.from({ length: table.columns }, (_, i) => table.get(slot, i));
    const wanted = expected(odd);
    const fours = expected(odd, log4Bounds(FOURS));
    assert.deepEqual(numbers, [...wanted, ...wanted.slice(0, SLOTS), NaN, ...fours]);
  }
});

Deno.test("MapFeed refuses bounds that do not match the array", async () => {
  using libbpf = openInstalled();
  const image = await testImage("histogram", { off: ["histogram_call"] });
  using object = await BpfObject.load(libbpf, image);
  const store = new Store({ maxTables: 1, maxRows: 9, maxFields: 9, timeoutMs: 1000 }, {});
  const table = store.add("spread", "test", spec(SLOTS - 1));
  assert.throws(
    () => new MapFeed(object.table("spread"), [{ spec: spec(SLOTS - 1), table }], OPTIONS),
    /Field "slots" of map "spread" has 12 buckets, its bounds want 11/,
  );
});
