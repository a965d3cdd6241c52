// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { CpuSplit } from "./cpu_split.ts";

/** One process, start 7; nothing shown by the kernel yet. */
function split(
  cpu: CpuSplit,
  [utime, stime, runtime]: readonly [number, number, number],
  [kernelUtime, kernelStime]: readonly [number, number] = [0, 0],
  start = 7,
): [number, number] {
  cpu.split(1, start, utime, stime, runtime, kernelUtime, kernelStime);
  return [cpu.utime, cpu.stime];
}

Deno.test("CpuSplit divides measured time by the ratio of ticks", () => {
  assert.deepEqual(split(new CpuSplit(), [300, 100, 1000]), [750, 250]);
  assert.deepEqual(split(new CpuSplit(), [0, 0, 1000]), [1000, 0], "no tick: all is user time");
  assert.deepEqual(split(new CpuSplit(), [0, 5, 1000]), [0, 1000]);
  assert.deepEqual(split(new CpuSplit(), [5, 0, 1000]), [1000, 0]);
  assert.deepEqual(split(new CpuSplit(), [0, 0, 0]), [0, 0]);
});

Deno.test("CpuSplit never goes back, whatever the ratio becomes", () => {
  const cpu = new CpuSplit();
  assert.deepEqual(split(cpu, [0, 0, 1000]), [1000, 0]);
  assert.deepEqual(split(cpu, [100, 100, 1100]), [1000, 100]);
  assert.deepEqual(split(cpu, [100, 300, 2000]), [1000, 1000]);
  assert.deepEqual(split(cpu, [100, 300, 1500]), [1000, 1000], "nor when the clock does");
});

Deno.test("CpuSplit goes on from what the kernel showed others", () => {
  assert.deepEqual(split(new CpuSplit(), [300, 100, 1000], [700, 290]), [710, 290]);
  assert.deepEqual(split(new CpuSplit(), [300, 100, 1000], [900, 100]), [900, 100]);
});

Deno.test("CpuSplit starts anew for a later process with the same id, and forgets those that ended", () => {
  const cpu = new CpuSplit();
  split(cpu, [0, 0, 1000]);
  assert.deepEqual(split(cpu, [1, 1, 10], [0, 0], 8), [5, 5]);
  cpu.endRound();
  assert.equal(cpu.size, 1);
  cpu.endRound();
  assert.equal(cpu.size, 0);
});
