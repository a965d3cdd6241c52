// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import type { MapLayout } from "../core/layout.ts";
import { emptyMapBytes, mapBytes, roundUp8 } from "./map_memory.ts";

function layout(type: MapLayout["type"], maxEntries: number): MapLayout {
  return { type, maxEntries, key: { size: 4, fields: {} }, value: { size: 20, fields: {} } };
}

Deno.test("mapBytes counts a copy of the value per possible CPU", () => {
  assert.equal(mapBytes(layout("array", 10), 64), 240);
  assert.equal(mapBytes(layout("percpu_array", 10), 64), 10 * (24 * 64 + 8));
  const one = mapBytes(layout("percpu_hash", 1000), 1);
  assert.equal(mapBytes(layout("percpu_hash", 1000), 64) - one, 63 * 24 * 1000);
  assert.equal(mapBytes(layout("hash", 1000), 1), mapBytes(layout("hash", 1000), 64));
});

Deno.test("mapBytes counts a ring's data once, with its three pages", () => {
  assert.equal(mapBytes(layout("ringbuf", 65536), 8), 65536 + 3 * 4096);
});

Deno.test("roundUp8 rounds up to the next multiple of 8", () => {
  assert.deepEqual([0, 1, 8, 9, 20].map(roundUp8), [0, 8, 8, 16, 24]);
});

Deno.test("emptyMapBytes counts a hash map's buckets only, and other maps whole", () => {
  assert.equal(emptyMapBytes(layout("hash", 1000), 1), 1024 * 16);
  assert.equal(emptyMapBytes(layout("percpu_hash", 1000), 64), 1024 * 16);
  for (const type of ["array", "percpu_array", "ringbuf"] as const) {
    assert.equal(emptyMapBytes(layout(type, 4096), 2), mapBytes(layout(type, 4096), 2));
  }
});
