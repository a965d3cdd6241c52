// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { parseStat } from "./proc_pid.ts";
import { ProcessTable, type ProcessTableOptions } from "./process_table.ts";
import { TASK, TaskBatch } from "./task_batch.ts";

/** Texts by path; counts what is read. */
class Texts {
  reads = 0;

  constructor(readonly texts: Record<string, string>) {}

  readOptional(path: string, maxBytes = Infinity): Uint8Array | undefined {
    this.reads++;
    const text = this.texts[path];
    if (text === undefined) return undefined;
    return new TextEncoder().encode(text).slice(0, maxBytes);
  }
}

interface Facts {
  readonly comm?: string;
  readonly start?: number;
  readonly image?: number;
  readonly cgroups?: number;
}

function statText(pid: number, { comm = "a", start = 100, image = 7000 }: Facts = {}): string {
  return `${pid} (${comm}) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 ${start} 0 0 0 0 0 ${image} ` +
    `${"0 ".repeat(10)}0 0\n`;
}

function host(pid: number, facts: Facts, cmdline?: string) {
  const texts = { [`proc/${pid}/stat`]: statText(pid, facts) };
  if (cmdline !== undefined) texts[`proc/${pid}/cmdline`] = cmdline;
  return new Texts(texts);
}

let time = 0;
const clock = () => time;

function tableOf(files: Texts, options: Partial<ProcessTableOptions> = {}): ProcessTable {
  return new ProcessTable(files, { clock, ...options });
}

function find(table: ProcessTable, pid: number, now: number) {
  time = now;
  return table.find(pid);
}

function sweep(table: ProcessTable, now: number): void {
  time = now;
  table.sweep();
}

/** Hands a process over as a reading of all processes does. */
function note(table: ProcessTable, pid: number, facts: Facts, now: number) {
  time = now;
  const batch = new TaskBatch();
  const index = batch.add();
  assert.ok(parseStat(new TextEncoder().encode(statText(pid, facts)), batch, index, 1));
  batch.set(index, TASK.tgid, pid);
  batch.set(index, TASK.cgroups, facts.cgroups ?? NaN);
  return table.note(batch, index, table.now());
}

Deno.test("ProcessTable finds name, start and command line of an id", () => {
  const table = tableOf(host(42, { comm: "my (db) 1", start: 9 }, "db\0--port\x001\0\0"));
  const found = find(table, 42, 0)!;
  assert.deepEqual([found.pid, found.comm, found.start, found.cmdline, found.containerId], [
    42,
    "my (db) 1",
    9,
    "db --port 1",
    "",
  ]);
  assert.equal(find(table, 43, 0), undefined);
});

Deno.test("ProcessTable believes what it knows for 5 s, then looks again", () => {
  const files = host(42, {}, "x");
  const table = tableOf(files);
  const first = find(table, 42, 0);
  assert.equal(find(table, 42, 4999), first);
  assert.equal(files.reads, 1);
  assert.equal(find(table, 42, 5000), first, "still the same process");
  assert.equal(files.reads, 2);
});

Deno.test("ProcessTable tells a process from a later one with the same id, and from itself before an exec", () => {
  const files = host(42, { start: 100 }, "old");
  const table = tableOf(files);
  const old = find(table, 42, 0)!;
  assert.equal(old.cmdline, "old");
  files.texts["proc/42/cmdline"] = "new";
  files.texts["proc/42/stat"] = statText(42, { start: 200 });
  const later = find(table, 42, 6000)!;
  assert.notEqual(later, old);
  assert.deepEqual([later.start, later.cmdline, old.cmdline], [200, "new", "old"]);
  for (const facts of [{ start: 200, image: 1 }, { start: 200, image: 1, comm: "b" }]) {
    const before = find(table, 42, 6000);
    assert.notEqual(note(table, 42, facts, 7000), before);
    assert.equal(note(table, 42, facts, 7000), find(table, 42, 7001));
  }
});

Deno.test("ProcessTable remembers what ended for a minute, for those who still report on it", () => {
  const files = host(42, {});
  const table = tableOf(files);
  const found = find(table, 42, 0);
  delete files.texts["proc/42/stat"];
  assert.equal(find(table, 42, 50_000), found);
  sweep(table, 60_000);
  assert.equal(table.size, 1);
  sweep(table, 60_001);
  assert.equal(table.size, 0);
  assert.equal(find(table, 42, 60_001), undefined);
});

Deno.test("ProcessTable never holds more than its limit, and counts what it could not keep", () => {
  const table = tableOf(new Texts({}), { maxProcesses: 3 });
  for (let pid = 1; pid <= 5; pid++) assert.equal(note(table, pid, {}, 0).pid, pid);
  assert.deepEqual([table.size, table.overflowed], [3, 2]);
  note(table, 1, { start: 500 }, 0);
  assert.deepEqual([table.size, table.overflowed], [3, 2], "a reused id takes its own place");
  note(table, 6, {}, 60_001);
  assert.deepEqual([table.size, table.overflowed], [1, 2], "what ended makes room");
});

Deno.test("ProcessTable shows 512 bytes of a command line and searches in more, cutting no character", () => {
  const long = `java\0-cp\0${"ä".repeat(5000)}\0org.example.Main\0`;
  const found = find(tableOf(host(42, {}, long)), 42, 0)!;
  assert.match(found.cmdline, /^java -cp ä+$/);
  assert.ok(new TextEncoder().encode(found.cmdline).length <= 512);
  assert.equal(found.cmdlineIncludes("org.example.Main"), true);
  assert.equal(found.cmdlineIncludes("org.example.Other"), false);
});

Deno.test("ProcessTable asks for the container of a process again when the kernel tells that it was moved", () => {
  const asked: string[] = [];
  const ids = ["", "0123456789ab", "ba9876543210"];
  const containerOf = (pid: number, moved: boolean) => {
    asked.push(`${pid} ${moved}`);
    return ids[asked.length - 1];
  };
  const table = tableOf(new Texts({}), { containerOf });
  const idIn = (cgroups: number, at: number) => note(table, 64, { cgroups }, at).containerId;
  for (let at = 0; at <= 60_000; at += 5000) assert.equal(idIn(1000, at), "");
  assert.equal(idIn(2000, 65_000), ids[1]);
  assert.equal(idIn(2000, 665_000), ids[1]);
  assert.deepEqual(asked, ["64 true", "64 true"]);
  assert.equal(idIn(2000, 665_001), ids[2], "at last it is asked for all the same");
  assert.equal(asked[2], "64 false");
  idIn(NaN, 740_000);
  assert.equal(asked[3], "64 false", "nobody tells any more, and a minute has gone");
});

Deno.test("ProcessTable asks for the container of a young process at each look, later once a minute", () => {
  const asked: number[] = [];
  let [now, id]: [number, string | undefined] = [0, ""];
  const containerOf = (pid: number) => {
    assert.equal(pid, 42);
    asked.push(now);
    return id;
  };
  const table = tableOf(new Texts({}), { containerOf });
  const idAt = (at: number) => {
    now = at;
    const process = note(table, 42, {}, now);
    assert.equal(process.containerId, process.containerId);
    return process.containerId;
  };
  assert.equal(idAt(0), "");
  id = "0123456789ab"; // the runtime has moved it
  assert.equal(idAt(5000), id);
  id = undefined; // it is gone
  assert.equal(idAt(10_000), "0123456789ab", "what is gone keeps its container");
  for (let at = 15_000; at <= 80_000; at += 5000) idAt(at);
  assert.deepEqual(asked, [0, 5000, 10_000, 15_000, 80_000]);
});
