// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { BpfObject } from "../../src/sys/object.ts";
import type { RingPortion, RingReader } from "../../src/sys/ring_reader.ts";
import type { Libbpf } from "../../src/sys/libbpf.ts";
import { openInstalled, testImage } from "./test_object.ts";
import { callElsewhere, callMany } from "./workload.ts";

const EVENTS = 997;
const RECORD_BYTES = 24; // with header

/** The sample object that sends an event to the ring for each call. */
async function sender(
  libbpf: Libbpf,
  constants: Readonly<Record<string, number>> = {},
  ringBytes = 65536,
): Promise<BpfObject> {
  const image = await testImage("sample", {
    constants: { watch_tgid: Deno.pid, send_records: 1, ...constants },
    maxEntries: { events: ringBytes },
    off: ["sample_tasks", "sample_silent", "sample_sockets"],
  });
  return await BpfObject.load(libbpf, image);
}

/** Sequence numbers of the events that are in the ring. */
function sequence(ring: RingReader, limit?: number): number[] {
  const numbers: number[] = [];
  ring.drain((bytes, offset, length) => {
    assert.equal(length, 16);
    const view = new DataView(bytes.buffer, bytes.byteOffset + offset, length);
    assert.equal(view.getUint32(8, true), Deno.pid);
    numbers.push(Number(view.getBigUint64(0, true)));
  }, limit);
  return numbers;
}

function range(start: number, end: number): number[] {
  return Array.from({ length: end - start }, (_, i) => start + i);
}

function drops(object: BpfObject): number {
  const losses = object.table("losses");
  let sum = 0;
  losses.read(({ numbers }) => sum += numbers[losses.indexOf("ring_drop")]!);
  return sum;
}

Deno.test("RingReader reads 997 events, each once and in order, in portions of any size", async () => {
  using libbpf = openInstalled();
  using object = await sender(libbpf);
  const ring = object.ring("events");
  assert.deepEqual(sequence(ring), []);
  callMany(EVENTS);
  assert.equal(ring.backlogBytes, EVENTS * RECORD_BYTES);
  assert.deepEqual(sequence(ring, 0), []);
  assert.deepEqual(sequence(ring, 1), [0]);
  assert.deepEqual(sequence(ring, 100), range(1, 101));
  assert.deepEqual(sequence(ring), range(101, EVENTS));
  assert.equal(ring.backlogBytes, 0);
  assert.equal(drops(object), 0);
});

Deno.test("RingReader follows the ring round its end", async () => {
  using libbpf = openInstalled();
  using object = await sender(libbpf, {}, 4096);
  const ring = object.ring("events");
  for (let start = 0; start < 10007; start += 101) {
    callMany(101);
    assert.deepEqual(sequence(ring), range(start, start + 101));
  }
  assert.equal(drops(object), 0);
});

Deno.test("RingReader reads records of all lengths across the ring's end", async () => {
  using libbpf = openInstalled();
  using object = await sender(libbpf, { text_bytes: 61 }, 4096);
  const ring = object.ring("events");
  let number = 0;
  for (let round = 0; round < 500; round++) {
    callMany(13);
    const records = ring.drain((bytes, offset, length) => {
      assert.equal(length, number % 61 + 1);
      assert.ok(bytes.subarray(offset, offset + length).every((byte) => byte === number % 256));
      number++;
    });
    assert.equal(records, 13);
  }
});

Deno.test("RingReader steps over discarded records and counts them", async () => {
  using libbpf = openInstalled();
  using object = await sender(libbpf, { discard_every: 10 });
  const ring = object.ring("events");
  callMany(EVENTS);
  assert.deepEqual(sequence(ring), range(0, EVENTS).filter((number) => number % 10 !== 0));
  assert.equal(ring.discarded, 100);
});

Deno.test("RingReader waits for a record that is being written", async () => {
  using libbpf = openInstalled();
  using object = await sender(libbpf, { spin: 8_000_000 });
  const ring = object.ring("events");
  let seenBusy = false;
  // On a busy machine the whole call may fit between two looks: then another one is made.
  for (let number = 0; number < 50 && !seenBusy; number++) {
    const numbers: number[] = [];
    const call = callElsewhere();
    while (numbers.length === 0) {
      const reserved = ring.backlogBytes > 0;
      numbers.push(...sequence(ring));
      seenBusy ||= reserved && numbers.length === 0;
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    assert.deepEqual(numbers, [number]);
    await call;
  }
  assert.ok(seenBusy);
});

Deno.test("RingReader misses what a full ring has no room for, and the program counts it", async () => {
  using libbpf = openInstalled();
  using object = await sender(libbpf, { burst: 10007 });
  const ring = object.ring("events");
  callMany(1);
  const fits = sequence(ring);
  assert.ok(fits.length >= Math.floor(65536 / RECORD_BYTES) - 1);
  assert.deepEqual(fits, range(0, fits.length));
  assert.equal(fits.length + drops(object), 10007);
  callMany(1);
  assert.equal(sequence(ring)[0], 10007);
});

Deno.test("RingReader gets or the program counts each of 1,000,000 events sent while reading", async () => {
  using libbpf = openInstalled();
  using object = await sender(libbpf, { burst: 10_000 }, 1 << 20);
  const ring = object.ring("events");
  let read = 0;
  let last = -1;
  const visit = ({ count, offsets, words }: RingPortion) => {
    for (let i = 0; i < count; i++) {
      const number = words[offsets[i]! >> 2]!;
      if (number <= last) throw new Error(`event ${number} after ${last}`);
      last = number;
      read++;
    }
  };
  const sending = (async () => {
    for (let i = 0; i < 100; i++) await callElsewhere();
  })();
  let sent = false;
  sending.finally(() => sent = true);
  while (!sent) {
    ring.drainPortions(visit);
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  await sending;
  ring.drainPortions(visit);
  const lost = drops(object);
  assert.equal(read + lost, 1_000_000);
  assert.ok(read > 500_000, `read ${read}`);
});

Deno.test("RingReader gives room back when its visitor throws, and refuses to read when closed", async () => {
  using libbpf = openInstalled();
  using object = await sender(libbpf);
  const ring = object.ring("events");
  callMany(3);
  assert.throws(() =>
    ring.drain(() => {
      throw new Error("visitor");
    }), /visitor/);
  assert.equal(ring.backlogBytes, 0);
  callMany(2);
  assert.deepEqual(sequence(ring), [3, 4]);
  ring[Symbol.dispose]();
  ring[Symbol.dispose]();
  assert.throws(() => ring.drain(() => {}), /Ring "events" is closed/);
  assert.equal(ring.backlogBytes, 0);
  assert.throws(() => object.ring("tiny"), /Map "tiny" is a percpu_hash, not a ringbuf/);
});
