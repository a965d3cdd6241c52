// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { KernelError, Unsupported } from "../core/errors.ts";
import { RootFiles } from "./host_files.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const FIXTURES = new URL("../../tests/fixtures/", import.meta.url).pathname;

function tempRoot(): Disposable & { readonly path: string } {
  const path = Deno.makeTempDirSync();
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

const openFiles = () => [...Deno.readDirSync("/proc/self/fd")].length;

Deno.test("read gives what the file has now, from a descriptor that stays open", () => {
  using files = new RootFiles();
  const uptime = () => Number(text(files.read("proc/uptime")).split(" ")[0]);
  const plain = () => Number(Deno.readTextFileSync("/proc/uptime").split(" ")[0]);
  const [before, first, second, after] = [plain(), uptime(), uptime(), plain()];
  assert.ok(before <= first && first <= second && second <= after);
  assert.equal(files.kept, 1);
});

Deno.test("read gives all who want a file in one reading of all probes the same", () => {
  let now = 0;
  using files = new RootFiles({ clock: () => now });
  // Another one each time that it is read.
  const id = () => text(files.read("proc/sys/kernel/random/uuid"));
  const reading = (...wait: number[]) => {
    now += 5000;
    files.beginReading();
    return new Set([0, ...wait].map((ms) => {
      now += ms;
      return id();
    })).size;
  };
  assert.equal(new Set([id(), id(), id()]).size, 3, "no reading has begun");
  reading(0);
  assert.equal(reading(0, 0), 1, "that it is wanted twice was seen before");
  assert.equal(reading(249, 1), 2, "a reading is over after a while");
  const [before, after] = [id(), id()];
  assert.notEqual(before, after);
  assert.equal(reading(0), 1);
  assert.equal(files.readOptional("proc/sys/kernel/random/uuid", 10)?.length, 10);
});

Deno.test("read gives files longer than one reading of the kernel whole", () => {
  // Symbols come in many pages; those of the kernel itself stay, those of BPF programs behind them come and go.
  const path = "proc/kallsyms";
  const whole = Deno.readFileSync(`/${path}`);
  const text = new TextDecoder().decode(whole);
  const ofPrograms = text.search(/\n.*\[bpf\]/);
  const expected = whole.subarray(0, ofPrograms < 0 ? whole.length : ofPrograms);
  using files = new RootFiles({ maxBytes: 2 * whole.length });
  assert.ok(expected.length > 64 * 1024);
  for (let round = 0; round < 2; round++) {
    const bytes = files.read(path);
    assert.ok(bytes.length >= expected.length);
    assert.ok(expected.every((byte, i) => byte === bytes[i]));
  }
});

Deno.test("read refuses a file larger than the bound, by one byte and by far", () => {
  using root = tempRoot();
  Deno.writeTextFileSync(`${root.path}/exact`, "x".repeat(1000));
  Deno.writeTextFileSync(`${root.path}/over`, "x".repeat(1001));
  using files = new RootFiles({ root: root.path, maxBytes: 1000 });
  assert.equal(files.read("exact").length, 1000);
  const tooLarge = (error: unknown) => error instanceof KernelError && error.code === "EFBIG";
  assert.throws(() => files.read("over"), tooLarge);
  assert.throws(() => files.readOptional("over"), tooLarge);
  using host = new RootFiles({ maxBytes: 1000 });
  assert.throws(() => host.read("dev/zero"), tooLarge);
  assert.equal(files.read("exact").length, 1000);
});

Deno.test("read says Unsupported where there is no file, readOptional and list say nothing is there", () => {
  using files = new RootFiles();
  for (const path of ["proc/no_such_file", "proc/stat/x", "proc/4194305/stat"]) {
    assert.throws(
      () => files.read(path),
      (error) => error instanceof Unsupported && error.message.includes(`"/${path}"`),
    );
    assert.equal(files.readOptional(path), undefined);
    assert.deepEqual(files.list(path), []);
  }
});

Deno.test("read says KernelError for what cannot be read, such as a folder", () => {
  using files = new RootFiles();
  const isFolder = (error: unknown) => error instanceof KernelError && error.code === "EISDIR";
  assert.throws(() => files.read("proc"), isFolder);
  assert.throws(() => files.readOptional("proc"), isFolder);
});

Deno.test("read refuses names that leave the root", () => {
  using root = tempRoot();
  using files = new RootFiles({ root: root.path });
  for (
    const path of [
      "",
      "/etc/hostname",
      "..",
      "../etc/hostname",
      "proc/../../etc/hostname",
      "proc/stat\0x",
    ]
  ) {
    assert.throws(() => files.read(path), TypeError, path);
    assert.throws(() => files.readOptional(path), TypeError, path);
    assert.throws(() => files.list(path), TypeError, path);
  }
  Deno.writeTextFileSync(`${root.path}/a..b`, "fine");
  assert.equal(text(files.read("a..b")), "fine");
});

Deno.test("read takes the first process's network and mounts below a root, and its own without", () => {
  using host = new RootFiles({ root: `${FIXTURES}proc-4.19/` });
  assert.match(text(host.read("proc/net/dev")), /docker0/);
  assert.ok(host.list("proc/net").includes("softnet_stat"));
  assert.match(text(host.read("proc/self/mountinfo")), /nfs4/);
  using own = new RootFiles({ root: "/" });
  assert.match(text(own.read("proc/net/dev")), /^Inter-/);
});

Deno.test("read sees a plain file that was replaced, changed or removed", () => {
  using root = tempRoot();
  using files = new RootFiles({ root: root.path });
  const path = `${root.path}/proc/stat`;
  Deno.mkdirSync(`${root.path}/proc`);
  Deno.writeTextFileSync(path, "first");
  assert.equal(text(files.read("proc/stat")), "first");
  Deno.writeTextFileSync(`${path}.new`, "second one");
  Deno.renameSync(`${path}.new`, path);
  assert.equal(text(files.read("proc/stat")), "second one");
  Deno.writeTextFileSync(path, "3");
  assert.equal(text(files.read("proc/stat")), "3");
  Deno.removeSync(path);
  assert.equal(files.readOptional("proc/stat"), undefined);
  assert.equal(files.kept, 0);
});

Deno.test("read notices that the process behind a kept file has ended", async () => {
  using files = new RootFiles();
  const child = new Deno.Command("sleep", { args: ["60"] }).spawn();
  // Not below proc/PID, so that it is kept.
  const path = `proc/self/root/proc/${child.pid}/stat`;
  assert.match(text(files.read(path)), /\(sleep\)/);
  assert.equal(files.kept, 1);
  child.kill("SIGKILL");
  await child.status;
  assert.equal(files.readOptional(path), undefined);
  assert.equal(files.kept, 0);
});

Deno.test("read keeps no file of a process, and not more files than allowed", () => {
  const before = openFiles();
  {
    using files = new RootFiles({ maxKept: 3 });
    files.read("proc/1/stat");
    files.read("proc/1/net/dev");
    assert.equal(files.kept, 0);
    for (const path of ["stat", "meminfo", "uptime", "loadavg", "meminfo", "softirqs"]) {
      files.read(`proc/${path}`);
      assert.ok(files.kept <= 3);
    }
    assert.equal(files.kept, 3);
    assert.equal(openFiles(), before + 3);
  }
  assert.equal(openFiles(), before);
});

Deno.test("list names what a folder holds", () => {
  using files = new RootFiles();
  assert.ok(files.list("sys/class/net").includes("lo"));
  assert.ok(files.list("proc").includes(String(Deno.pid)));
});

Deno.test("readOptional gives the first bytes of a file that may be of any size", () => {
  using root = tempRoot();
  Deno.writeTextFileSync(`${root.path}/file`, "x".repeat(300_000));
  using files = new RootFiles({ root: root.path, maxBytes: 100_000 });
  for (const bytes of [1, 4096, 5000, 99_999]) {
    assert.equal(files.readOptional("file", bytes)?.length, bytes);
  }
  assert.equal(files.readOptional("none", 10), undefined);
});

Deno.test("count tells how many names a folder has, also one of descriptors, now and later", () => {
  using root = tempRoot();
  Deno.mkdirSync(`${root.path}/proc/7/fd`, { recursive: true });
  for (let i = 0; i < 13; i++) Deno.writeTextFileSync(`${root.path}/proc/7/fd/${i}`, "");
  using plain = new RootFiles({ root: root.path });
  for (let round = 0; round < 3; round++) assert.equal(plain.count("proc/7/fd"), 13);
  assert.equal(plain.count("proc/7"), 1);
  assert.equal(plain.count("proc/8/fd"), NaN);

  using files = new RootFiles();
  const path = `proc/${Deno.pid}/fd`;
  const before = files.count(path);
  const more = Array.from({ length: 31 }, () => Deno.openSync("/dev/null"));
  try {
    assert.equal(files.count(path) - before, 31);
  } finally {
    for (const file of more) file.close();
  }
  assert.equal(files.count("proc/4194305/fd"), NaN);
});

Deno.test("link says where a symbolic link points, and nothing where there is none", () => {
  using files = new RootFiles();
  assert.equal(files.link("proc/self/ns/net"), Deno.readLinkSync("/proc/self/ns/net"));
  for (const path of ["proc/no_such_file", "proc/stat", "proc/4194305/ns/net"]) {
    assert.equal(files.link(path), undefined, path);
  }
});

Deno.test("read closes files that were not read for a minute, such as those of a container that is gone", () => {
  let now = 0;
  using files = new RootFiles({ clock: () => now });
  files.read("proc/stat");
  files.read("proc/uptime");
  now = 59_000;
  files.read("proc/stat");
  assert.equal(files.kept, 2);
  now = 61_000;
  files.read("proc/stat");
  assert.equal(files.kept, 1);
});

Deno.test("read does not let files that are read in turn push each other out", () => {
  let now = 0;
  using files = new RootFiles({ maxKept: 2, clock: () => now });
  const readAll = () => {
    for (const name of ["stat", "meminfo", "uptime"]) files.read(`proc/${name}`);
  };
  const held = () =>
    [...Deno.readDirSync("/proc/self/fd")].map(({ name }) => {
      try {
        return Deno.readLinkSync(`/proc/self/fd/${name}`);
      } catch {
        return ""; // the folder's own descriptor
      }
    }).filter((path) => /^\/proc\/(stat|meminfo|uptime)$/.test(path)).sort();
  readAll();
  readAll();
  assert.deepEqual(held(), ["/proc/meminfo", "/proc/stat"]);
  now = 20_000;
  files.read("proc/uptime");
  assert.deepEqual(held(), ["/proc/meminfo", "/proc/uptime"]);
});

Deno.test("read gives files of cgroups whole, again and again", () => {
  using files = new RootFiles();
  // Of v1, or of v2.
  const path = ["sys/fs/cgroup/memory/memory.stat", "sys/fs/cgroup/memory.stat"]
    .find((path) => files.readOptional(path) !== undefined);
  assert.ok(path !== undefined, "no memory.stat");
  const names = (content: string) => content.split("\n").map((line) => line.split(" ")[0]);
  const expected = names(Deno.readTextFileSync(`/${path}`));
  assert.ok(expected.length > 20);
  for (let round = 0; round < 3; round++) {
    assert.deepEqual(names(text(files.read(path))), expected);
  }
});
