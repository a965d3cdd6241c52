// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Nanoseconds a ring buffer record: our mapped reader beside libbpf's callback into JavaScript, on the same ring in
 * the same run. Run as root: deno run -A tests/bench/ring_bench.ts
 */
import assert from "node:assert/strict";
import { BpfObject } from "../../src/sys/object.ts";
import type { RingPortion } from "../../src/sys/ring_reader.ts";
import { openInstalled, testImage } from "../kernel/test_object.ts";
import { callMany } from "../kernel/workload.ts";
import { median } from "./measure.ts";

const ROUNDS = 11;
const RECORDS = 600_000;
const RING_BYTES = 16 * 1024 * 1024;

const libbpfRing = Deno.dlopen("libbpf.so.1", {
  ring_buffer__new: { parameters: ["i32", "function", "pointer", "pointer"], result: "pointer" },
  ring_buffer__consume: { parameters: ["pointer"], result: "i32" },
  ring_buffer__free: { parameters: ["pointer"], result: "void" },
});

/** What both sides read of each record: seq (of which the low word moves), tgid, size. */
const sums = new Float64Array(3);

/** Nanoseconds a record of `drain`, which adds up all fields of all records. */
function measure(drain: () => void, round: number): number {
  callMany(1);
  sums.fill(0);
  const start = performance.now();
  drain();
  const spent = performance.now() - start;
  const first = round * RECORDS;
  const sequence = RECORDS * first + RECORDS * (RECORDS - 1) / 2;
  assert.deepEqual([...sums], [sequence, RECORDS * Deno.pid, RECORDS * 16]);
  return spent * 1e6 / RECORDS;
}

function readPortion({ count, offsets, words }: RingPortion): void {
  let sequence = 0;
  let tgid = 0;
  let size = 0;
  for (let i = 0; i < count; i++) {
    const at = offsets[i]! >> 2;
    sequence += words[at]! + words[at + 1]! * 4294967296;
    tgid += words[at + 2]!;
    size += words[at + 3]!;
  }
  sums[0]! += sequence;
  sums[1]! += tgid;
  sums[2]! += size;
}

using libbpf = openInstalled();
using object = await BpfObject.load(
  libbpf,
  await testImage("sample", {
    constants: { watch_tgid: Deno.pid, send_records: 1, burst: RECORDS },
    maxEntries: { events: RING_BYTES },
    off: ["sample_tasks", "sample_silent", "sample_sockets"],
  }),
);
const ring = object.ring("events");
const callback = new Deno.UnsafeCallback(
  { parameters: ["pointer", "pointer", "usize"], result: "i32" },
  (_context, data) => {
    const view = new Deno.UnsafePointerView(data!);
    sums[0]! += view.getUint32(0) + view.getUint32(4) * 4294967296;
    sums[1]! += view.getUint32(8);
    sums[2]! += view.getUint32(12);
    return 0;
  },
);
const { symbols } = libbpfRing;
const manager = symbols.ring_buffer__new(object.mapFd("events"), callback.pointer, null, null);
assert.notEqual(manager, null);

const portions: number[] = [];
const single: number[] = [];
const called: number[] = [];
let view: DataView = new DataView(new ArrayBuffer(0));
const one = ({ buffer, byteOffset }: Uint8Array, offset: number) => {
  if (view.buffer !== buffer) view = new DataView(buffer, byteOffset);
  sums[0]! += view.getUint32(offset, true) + view.getUint32(offset + 4, true) * 4294967296;
  sums[1]! += view.getUint32(offset + 8, true);
  sums[2]! += view.getUint32(offset + 12, true);
};
for (let round = 0; round < 3 * ROUNDS; round += 3) {
  portions.push(measure(() => ring.drainPortions(readPortion, Infinity), round));
  single.push(measure(() => ring.drain(one, Infinity), round + 1));
  called.push(measure(() => symbols.ring_buffer__consume(manager), round + 2));
}
symbols.ring_buffer__free(manager);
callback.close();
const theirs = median(called);
for (const [what, times] of Object.entries({ portions, single })) {
  const ours = median(times);
  const rate = `${(1e3 / ours).toFixed(1)} M/s, ${(theirs / ours).toFixed(1)} times the callback`;
  console.log(`mapped, ${what.padEnd(8)} ${ours.toFixed(1)} ns a record (${rate})`);
}
console.log(`libbpf's callback ${theirs.toFixed(1)} ns a record`);
