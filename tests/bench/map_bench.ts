// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Milliseconds to read 10,000 per-CPU rows from the kernel into columns: in batches, and key by key.
 * Run as root: deno run -A tests/bench/map_bench.ts
 */
import assert from "node:assert/strict";
import { BpfObject } from "../../src/sys/object.ts";
import { openInstalled, testImage } from "../kernel/test_object.ts";
import { median } from "./measure.ts";

const ROUNDS = 15;
const ROWS = 10_000;

using libbpf = openInstalled();
const off = ["sample_call", "sample_tasks", "sample_silent", "sample_sockets"];
using object = await BpfObject.load(libbpf, await testImage("sample", { off }));
const reader = object.table("per_cpu_calls");
const valueWords = reader.layout.value.size / 4;
const value = new Uint32Array(valueWords * libbpf.cpus);
for (let row = 0; row < ROWS; row++) {
  value[0] = row;
  value[valueWords * (libbpf.cpus - 1)]! += 1;
  reader.update(
    new Uint8Array(Uint32Array.of(row, 0).buffer),
    new Uint8Array(value.buffer),
  );
  value.fill(0);
}

const columns = reader.numberNames.map(() => new Float64Array(ROWS));
const batches: number[] = [];
const singles: number[] = [];
for (let round = 0; round < ROUNDS; round++) {
  const start = performance.now();
  let at = 0;
  reader.read(({ numbers }) => {
    for (let i = 0; i < columns.length; i++) columns[i]![at] = numbers[i]!;
    at++;
  });
  batches.push(performance.now() - start);
  const sum = columns[0]!.reduce((sum, calls) => sum + calls, 0);
  assert.equal(sum, ROWS * (ROWS + 1) / 2);
  const startSingles = performance.now();
  const key = new Uint8Array(8);
  const words = new Uint32Array(key.buffer);
  for (let row = 0; row < ROWS; row++) {
    words[0] = row;
    assert.ok(reader.lookup(key));
  }
  singles.push(performance.now() - startSingles);
}
console.log(`rows ${ROWS}, numbers ${columns.length}, possible CPUs ${libbpf.cpus}`);
console.log(`in batches ${median(batches).toFixed(2)} ms`);
console.log(`row by row ${median(singles).toFixed(2)} ms`);
