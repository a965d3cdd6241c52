// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { KernelError } from "../../src/core/errors.ts";
import type { MapLayout } from "../../src/core/layout.ts";
import { BpfObject } from "../../src/sys/object.ts";
import { MapReader, type Row } from "../../src/sys/table_reader.ts";
import { openInstalled, testImage } from "./test_object.ts";
import { callMany, onCpu } from "./workload.ts";

const CALLS = 10007;
const SLOTS = 4001;
const IDLE = await testImage("sample", {
  off: ["sample_call", "sample_tasks", "sample_silent", "sample_sockets"],
});

function key(tgid: number, slot: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Uint32Array.of(tgid, slot).buffer);
}

/** Distinct keys and the sum of a number. */
function total(reader: MapReader, field: string): { rows: number; keys: number; sum: number } {
  const index = reader.indexOf(field);
  const keys = new Set<string>();
  let sum = 0;
  const rows = reader.read(({ keys: bytes, keyOffset, numbers }) => {
    keys.add(bytes.subarray(keyOffset, keyOffset + reader.keySize).join());
    sum += numbers[index]!;
  });
  return { rows, keys: keys.size, sum };
}

Deno.test("MapReader adds up 10,007 calls of all CPUs exactly, in hash, per-CPU hash and array", async () => {
  using libbpf = openInstalled();
  const constants = { watch_tgid: Deno.pid, slots: SLOTS, step: -2, big: 2 ** 40 };
  using object = await BpfObject.load(libbpf, await testImage("sample", { constants }));
  const share = Math.floor(CALLS / libbpf.cpus);
  for (let cpu = 0; cpu < libbpf.cpus; cpu++) {
    onCpu(cpu, () => callMany(cpu === 0 ? CALLS - share * (libbpf.cpus - 1) : share));
  }
  const perCpu = object.table("per_cpu_calls");
  assert.deepEqual(total(perCpu, "calls"), { rows: SLOTS, keys: SLOTS, sum: CALLS });
  assert.equal(total(perCpu, "bytes").sum, CALLS * 2 ** 40);
  assert.equal(total(perCpu, "balance").sum, CALLS * -2);
  assert.ok(perCpu.batches);
  const shared = object.table("shared_calls");
  assert.deepEqual(total(shared, "calls"), { rows: 1, keys: 1, sum: CALLS });
  assert.equal(total(shared, "small").sum, 3);
  assert.deepEqual(total(object.table("seen"), "calls"), { rows: 3, keys: 3, sum: CALLS });
});

Deno.test("MapReader shows how many rows did not fit into a full table", async () => {
  using libbpf = openInstalled();
  using object = await BpfObject.load(
    libbpf,
    await testImage("sample", {
      constants: { watch_tgid: Deno.pid, slots: 10 },
      off: ["sample_silent"],
    }),
  );
  callMany(1009);
  const tiny = total(object.table("tiny"), "calls");
  assert.equal(tiny.rows, 7);
  assert.equal(total(object.table("losses"), "table_full").sum, 1009 - tiny.sum);
});

Deno.test("MapReader grows its chunk for a large hash bucket and reads each row once", async () => {
  using libbpf = openInstalled();
  using object = await BpfObject.load(libbpf, { ...IDLE, maxEntries: { per_cpu_calls: 1009 } });
  fill(object.table("per_cpu_calls"), libbpf.cpus, 1009);
  const layout: MapLayout = { ...IDLE.layout.maps.per_cpu_calls!, maxEntries: 1009 };
  const reader = new MapReader(libbpf, object.mapFd("per_cpu_calls"), "calls", layout, 1);
  assert.deepEqual(total(reader, "calls"), { rows: 1009, keys: 1009, sum: 1009 * 1010 / 2 });
  assert.ok(reader.chunkRows > 1, `chunk of ${reader.chunkRows}`);
});

Deno.test("MapReader walks key by key where the kernel has no batches", async () => {
  using libbpf = openInstalled();
  using object = await BpfObject.load(libbpf, IDLE);
  const reader = object.table("without_batches");
  for (let i = 0; i < 61; i++) {
    reader.update(
      new Uint8Array(Uint32Array.of(i).buffer),
      new Uint8Array(Int32Array.of(1, 0).buffer),
    );
  }
  assert.deepEqual(total(reader, "value"), { rows: 61, keys: 61, sum: 61 });
  assert.equal(reader.batches, false);
  assert.equal(total(reader, "value").rows, 61);
});

Deno.test("MapReader looks up, updates and deletes single rows and batches", async () => {
  using libbpf = openInstalled();
  using object = await BpfObject.load(libbpf, IDLE);
  const reader = object.table("per_cpu_calls");
  fill(reader, libbpf.cpus, 97);
  const calls = (row: Row | undefined) => row?.numbers[reader.indexOf("calls")];
  assert.equal(calls(reader.lookup(key(5, 0))), 6);
  assert.equal(calls(reader.lookupAndDelete(key(5, 0))), 6);
  assert.equal(reader.lookup(key(5, 0)), undefined);
  assert.equal(reader.lookupAndDelete(key(5, 0)), undefined);
  assert.equal(reader.delete(key(5, 0)), false);
  assert.equal(reader.delete(key(6, 0)), true);
  const batch = new Uint8Array(8 * 20);
  for (let i = 0; i < 20; i++) batch.set(key(i, 0), 8 * i); // 5 and 6 are gone already
  reader.deleteBatch(batch, 20);
  assert.deepEqual(total(reader, "calls").rows, 77);
});

Deno.test("MapReader refuses keys and values of a wrong size, and says which map the kernel refused", async () => {
  using libbpf = openInstalled();
  using object = await BpfObject.load(libbpf, IDLE);
  const reader = object.table("shared_calls");
  assert.throws(
    () => reader.lookup(new Uint8Array(7)),
    /Key of map "shared_calls" has 8 bytes, got 7/,
  );
  assert.throws(() => reader.update(key(1, 1), new Uint8Array(8)), RangeError);
  assert.throws(() => reader.deleteBatch(new Uint8Array(8), 2), RangeError);
  assert.throws(() => reader.indexOf("no_such"), /has no number "no_such"/);
  const closed = new MapReader(libbpf, 1 << 20, "gone", IDLE.layout.maps.shared_calls!);
  assert.throws(
    () => closed.read(() => {}),
    (error) => error instanceof KernelError && error.code === "EBADF" && error.object === "gone",
  );
});

/** `rows` rows; the copies of row i add up to i + 1. */
function fill(reader: MapReader, cpus: number, rows: number): void {
  const value = new Uint8Array(reader.layout.value.size * cpus);
  const words = new Uint32Array(value.buffer);
  for (let i = 0; i < rows; i++) {
    words[0] = i;
    words[reader.layout.value.size / 4 * (cpus - 1)]! += 1;
    reader.update(key(i, 0), value);
    words.fill(0);
  }
}
