// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { mutate, randomNumbers } from "../../tests/mutate.ts";
import { parseFileLimit, parseIo, parseSmaps, parseStat, SMAPS_LINES } from "./proc_pid.ts";
import { TASK, TASK_FIELDS, TaskBatch, type TaskField } from "./task_batch.ts";

const ROUNDS = 10_000;
const encode = (text: string) => new TextEncoder().encode(text);

const STAT_4_19 =
  "4711 (nginx) S 4700 4711 4711 0 -1 4194368 1200 99000 3 17 250 75 11 22 20 0 4 0 86400 " +
  "104857600 2560 18446744073709551615 94000000000000 94000000100000 140731000000000 0 0 0 0 " +
  "4096 81920 1 0 0 17 7 0 0 2 0 0 94000000200000 94000000300000 94000001000000 140731000000100 " +
  "140731000000200 140731000000200 140731000000300 0\n";

const IO = "rchar: 323934931\nwchar: 323929600\nsyscr: 632687\nsyscw: 632675\nread_bytes: 4096\n" +
  "write_bytes: 323932160\ncancelled_write_bytes: 12\n";

const LIMITS = "Limit                     Soft Limit           Hard Limit           Units     \n" +
  "Max cpu time              unlimited            unlimited            seconds   \n" +
  "Max open files            1024                 524288               files     \n";

const SMAPS = "55e0a0000000-7ffd4f9ff000 ---p 00000000 00:00 0                  [rollup]\n" +
  "Rss:                4520 kB\nPss:                 870 kB\nShared_Clean:       3700 kB\n" +
  "Shared_Dirty:          4 kB\nPrivate_Clean:         8 kB\nPrivate_Dirty:       808 kB\n" +
  "Referenced:         4519 kB\nAnonymous:           808 kB\nLazyFree:              1 kB\n" +
  "AnonHugePages:         0 kB\nSwap:                 16 kB\nSwapPss:              5 kB\n" +
  "Locked:                0 kB\n";

interface Stat {
  readonly whole: boolean;
  readonly comm: string;
  readonly numbers: Partial<Record<TaskField, number>>;
}

function stat(text: string | Uint8Array): Stat {
  const batch = new TaskBatch();
  const bytes = typeof text === "string" ? encode(text) : text;
  const whole = parseStat(bytes, batch, batch.add(), 4096);
  return { whole, comm: batch.comm(0), numbers: known(batch) };
}

function known(batch: TaskBatch): Partial<Record<TaskField, number>> {
  const all = TASK_FIELDS.map((field) => [field, batch.get(0, TASK[field])] as const);
  return Object.fromEntries(all.filter(([, value]) => !Number.isNaN(value)));
}

Deno.test("parseStat reads each column that is exported", () => {
  assert.deepEqual(stat(STAT_4_19), {
    whole: true,
    comm: "nginx",
    numbers: {
      ppid: 4700,
      pgid: 4711,
      flags: 4194368,
      minor_faults: 1200,
      major_faults: 3,
      utime: 250,
      stime: 75,
      cutime: 11,
      cstime: 22,
      priority: 20,
      nice: 0,
      threads: 4,
      start: 86400,
      size_bytes: 104857600,
      resident_bytes: 2560 * 4096,
      image: 140731000000000,
      cpu: 7,
    },
  });
});

Deno.test("parseStat takes names with spaces, parentheses and newlines for what they are", () => {
  for (
    const [shown, comm] of [
      ["a b", "a b"],
      [") S 1 1 (", ") S 1 1 ("],
      ["((x))", "((x))"],
      ["", ""],
      ["two\nlines", "two\nlines"],
      ["back\\slash", "back\\slash"],
      ["longer than fifteen", "longer than fif"],
    ] as const
  ) {
    const { whole, comm: read, numbers } = stat(STAT_4_19.replace("nginx", () => shown));
    assert.deepEqual([whole, read, numbers.ppid, numbers.cpu], [true, comm, 4700, 7]);
  }
});

Deno.test("parseStat gives a kernel thread the name that does not change with its work", () => {
  const kernel = (name: string, flags: number) =>
    stat(STAT_4_19.replace("nginx", name).replace("4194368", String(flags))).comm;
  assert.equal(kernel("kworker/0:1-events", 0x200020), "kworker/0:1");
  assert.equal(kernel("kworker/u8:2+flush", 0x200020), "kworker/u8:2");
  assert.equal(kernel("kworker/R-kvfree_rcu_reclaim", 0x200020), "kworker/R-kvfre");
  assert.equal(kernel("nvme-reset-wq", 0x200020), "nvme-reset-wq");
  assert.equal(kernel("irq/17-a-long-name-of-a-device", 0x200000), "irq/17-a-long-n");
  assert.equal(kernel("a-b", 0x20), "a-b", "not a kernel thread");
});

Deno.test("parseStat keeps numbers of 64 bits, and reads those that wrapped as they are", () => {
  const wrapped = STAT_4_19.replace(" 250 75 ", " 4294967295 18446744073709551615 ");
  const { numbers } = stat(wrapped);
  assert.equal(numbers.utime, 4294967295);
  assert.equal(numbers.stime, 2 ** 64);
});

Deno.test("parseStat refuses a line that is cut before the last column it needs", () => {
  const end = STAT_4_19.indexOf(" 7 0 0 2") + 2;
  for (let size = 0; size < STAT_4_19.length; size++) {
    assert.equal(stat(STAT_4_19.slice(0, size)).whole, size > end, `${size} bytes`);
  }
});

Deno.test("parseStat survives 10,000 spoilt lines", () => {
  const random = randomNumbers(1);
  let refused = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const { whole, numbers } = stat(mutate(STAT_4_19, random));
    if (!whole) refused++;
    else for (const value of Object.values(numbers)) assert.ok(Number.isFinite(value));
  }
  assert.ok(refused > ROUNDS / 10 && refused < ROUNDS, String(refused));
});

Deno.test("parseIo reads each line by its name", () => {
  const batch = new TaskBatch();
  parseIo(encode(IO), batch, batch.add());
  assert.deepEqual(known(batch), {
    rchar: 323934931,
    wchar: 323929600,
    syscr: 632687,
    syscw: 632675,
    read_bytes: 4096,
    write_bytes: 323932160,
    cancelled_write_bytes: 12,
  });
});

Deno.test("parseIo reports only what is certain of a file that is cut short", () => {
  const whole = new TaskBatch();
  parseIo(encode(IO), whole, whole.add());
  for (let size = 0; size < IO.length; size++) {
    const cut = new TaskBatch();
    parseIo(encode(IO.slice(0, size)), cut, cut.add());
    assert.deepEqual({ ...known(whole), ...known(cut) }, known(whole), `${size} bytes`);
  }
});

Deno.test("parseIo survives 10,000 spoilt files", () => {
  const random = randomNumbers(2);
  const batch = new TaskBatch();
  batch.add();
  for (let round = 0; round < ROUNDS; round++) {
    parseIo(mutate(IO, random), batch, 0);
    assert.ok(!Object.values(known(batch)).includes(Infinity));
  }
});

Deno.test("parseFileLimit gives the soft limit of open files", () => {
  assert.equal(parseFileLimit(encode(LIMITS)), 1024);
  assert.equal(parseFileLimit(encode(LIMITS.replace("1024     ", "unlimited"))), Infinity);
  assert.equal(parseFileLimit(encode(LIMITS.replace("open", "closed"))), NaN);
  assert.equal(parseFileLimit(encode("Max open files            10")), NaN, "may be cut");
  assert.equal(parseFileLimit(encode("")), NaN);
});

Deno.test("parseFileLimit survives 10,000 spoilt files", () => {
  const random = randomNumbers(3);
  for (let round = 0; round < ROUNDS; round++) {
    const limit = parseFileLimit(mutate(LIMITS, random));
    assert.ok(Number.isNaN(limit) || limit >= 0, String(limit));
  }
});

Deno.test("parseSmaps reads each line that is exported, and those only", () => {
  const values = new Float64Array(SMAPS_LINES.length);
  parseSmaps(encode(SMAPS), values);
  assert.deepEqual([...values], [3700, 4, 8, 808, 4519, 1, 16, 5]);
  parseSmaps(encode(SMAPS.replace(/LazyFree.*\n/, "")), values);
  assert.deepEqual([...values], [3700, 4, 8, 808, 4519, NaN, 16, 5], "as before 4.14");
});

Deno.test("parseSmaps survives 10,000 spoilt files", () => {
  const random = randomNumbers(4);
  const values = new Float64Array(SMAPS_LINES.length);
  for (let round = 0; round < ROUNDS; round++) {
    parseSmaps(mutate(SMAPS, random), values);
    assert.ok(!values.includes(Infinity));
  }
});
