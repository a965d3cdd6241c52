// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { ContainerLookup, type LookupFiles } from "./container_lookup.ts";

const ID = (digit: string) => digit.repeat(64);
const stat = (start: number, name = "x") =>
  `7 (${name}) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 ${start} 0 0 \n`;
const cgroup = (id: string) => `0::/docker/${id}\n`;

/** Files in memory that counts how often each was read. */
class FakeFiles implements LookupFiles {
  readonly texts = new Map<string, string>();
  readonly reads = new Map<string, number>();

  process(pid: number, start: number, group: string, name?: string): void {
    this.texts.set(`proc/${pid}/stat`, stat(start, name));
    this.texts.set(`proc/${pid}/cgroup`, group);
  }

  end(pid: number): void {
    this.texts.delete(`proc/${pid}/stat`);
    this.texts.delete(`proc/${pid}/cgroup`);
  }

  readOptional(path: string): Uint8Array | undefined {
    this.reads.set(path, (this.reads.get(path) ?? 0) + 1);
    const text = this.texts.get(path);
    return text === undefined ? undefined : new TextEncoder().encode(text);
  }

  list(path: string): string[] {
    assert.equal(path, "proc");
    return [...new Set([...this.texts.keys()].map((name) => name.split("/")[1]!)), "stat", "00"];
  }
}

function rig(options: { maxPids?: number } = {}) {
  const files = new FakeFiles();
  const time = { now: 1_000_000 };
  const lookup = new ContainerLookup(files, { clock: () => time.now, ...options });
  return { files, time, lookup };
}

Deno.test("lookup tells container, host process and no process apart", () => {
  const { files, lookup } = rig();
  files.process(1, 1, "0::/init.scope\n");
  files.process(2, 5, cgroup(ID("a")), "a) b (c\n)");
  assert.equal(lookup.idOf(1), "");
  assert.equal(lookup.idOf(2), "a".repeat(12));
  assert.equal(lookup.idOf(3), undefined);
});

Deno.test("lookup knows the container of a process for a minute after its end", () => {
  const { files, time, lookup } = rig();
  files.process(1, 1, "0::/init.scope\n");
  files.process(2, 5, cgroup(ID("a")));
  files.process(3, 6, cgroup(ID("b")));
  lookup.scan();
  for (const pid of [1, 2, 3]) files.end(pid);
  assert.equal(lookup.scan().length, 0);
  assert.deepEqual([1, 2, 3].map((pid) => lookup.idOf(pid)), [
    undefined,
    "a".repeat(12),
    "b".repeat(12),
  ]);
  files.process(3, 900, "0::/init.scope\n");
  assert.equal(lookup.idOf(3), "", "another process has the id now");
  time.now += 60_001;
  assert.equal(lookup.idOf(2), undefined);
});

Deno.test("lookup believes an answer for a while, and then while the start time is the same", () => {
  const { files, time, lookup } = rig();
  files.process(2, 5, cgroup(ID("a")));
  lookup.idOf(2);
  time.now += 100_000; // no longer young
  lookup.idOf(2);
  const reads = () => [files.reads.get("proc/2/stat"), files.reads.get("proc/2/cgroup")];
  assert.deepEqual(reads(), [2, 2]);
  lookup.idOf(2);
  time.now += 3999;
  lookup.idOf(2);
  assert.deepEqual(reads(), [2, 2]);
  time.now += 1;
  lookup.idOf(2);
  assert.deepEqual(reads(), [3, 2]);
});

Deno.test("lookup forgets a process whose pid was given to another one", () => {
  const { files, time, lookup } = rig();
  files.process(2, 5, cgroup(ID("a")));
  assert.equal(lookup.idOf(2), "a".repeat(12));
  files.process(2, 6, cgroup(ID("b")));
  time.now += 4000;
  assert.equal(lookup.idOf(2), "b".repeat(12));
  files.process(2, 7, "0::/\n");
  time.now += 4000;
  assert.equal(lookup.idOf(2), "");
  files.end(2);
  time.now += 4000;
  assert.equal(lookup.idOf(2), undefined);
  assert.equal(lookup.size, 0);
});

Deno.test("lookup sees a young process move into its container, and an old one within 76 s", () => {
  const { files, time, lookup } = rig();
  files.process(2, 5, "0::/system.slice/containerd.service\n");
  assert.equal(lookup.idOf(2), "");
  files.process(2, 5, cgroup(ID("a")));
  time.now += 4000;
  assert.equal(lookup.idOf(2), "a".repeat(12));
  time.now += 100_000;
  lookup.idOf(2);
  files.process(2, 5, cgroup(ID("b")));
  time.now += 76_000;
  assert.equal(lookup.idOf(2), "b".repeat(12));
});

Deno.test("lookup reads a process again at once that is said to have moved", () => {
  const { files, lookup } = rig();
  files.process(2, 5, "0::/system.slice/containerd.service\n");
  lookup.scan();
  files.process(2, 5, cgroup(ID("a")));
  assert.equal(lookup.idOf(2), "");
  assert.equal(lookup.idOf(2, true), "a".repeat(12));
  assert.equal(lookup.idOf(2), "a".repeat(12));
  files.end(2);
  assert.equal(lookup.idOf(2, true), "a".repeat(12), "it has ended lately");
});

Deno.test("scan groups processes by container and reads each only once", () => {
  const { files, time, lookup } = rig();
  files.process(1, 1, "0::/init.scope\n");
  files.process(2, 5, cgroup(ID("a")));
  files.process(3, 6, cgroup(ID("b")));
  files.process(4, 7, `0::/docker/${ID("a")}/below\n`);
  const seen = () => lookup.scan().map(({ container, pids }) => [container.shortId, pids]);
  const both = [["a".repeat(12), [2, 4]], ["b".repeat(12), [3]]];
  assert.deepEqual(seen(), both);
  time.now += 5000;
  assert.deepEqual(seen(), both);
  assert.equal(files.reads.get("proc/4/cgroup"), 1);
  files.end(2);
  files.process(5, 9, cgroup(ID("b")));
  time.now += 5000;
  assert.deepEqual(seen(), [["b".repeat(12), [3, 5]], ["a".repeat(12), [4]]]);
  assert.equal(lookup.size, 4);
});

Deno.test("lookup keeps no more processes than allowed, still answers, and counts", () => {
  const { files, time, lookup } = rig({ maxPids: 2 });
  for (const pid of [1, 2, 3]) files.process(pid, pid, cgroup(ID(String(pid))));
  assert.deepEqual([1, 2, 3].map((pid) => lookup.idOf(pid)![0]), ["1", "2", "3"]);
  assert.deepEqual([lookup.size, lookup.notKept], [2, 1]);
  time.now += 60_001;
  lookup.idOf(3);
  assert.deepEqual([lookup.size, lookup.notKept], [1, 1]);
});
