// SPDX-License-Identifier: MulanPSL-2.0
/** Garbage collections by the pygc probe beside what Python itself counts and measures. */
import assert from "node:assert/strict";
import { readElf } from "../../src/core/elf_file.ts";
import { usdtMarks } from "../../src/core/usdt_marks.ts";
import pygc from "../../src/probes/pygc.ts";
import { SCAN_READINGS } from "../../src/sys/bpf_runner.ts";
import { assertGone, heldBy } from "../held_in_kernel.ts";
import { Shell, TaskRig } from "./task_rig.ts";

const PYTHON = "/usr/bin/python3";
const LIBRARIES = "/usr/lib/x86_64-linux-gnu";
const STATIC_PYTHON = `${LIBRARIES}/libpython3.11.a`;
const LINKER = "/usr/bin/clang-19";
/** Addresses, offset in the file and path. */
const MAPS_REGEXP = /^(\w+)-(\w+) \S+ (\w+) \S+ \d+ +(\/.*)$/gm;
const CHILD = new URL("collector_child.py", import.meta.url).pathname;
const COLLECTIONS = 211;

/** A Python that collects garbage when it is told to, and at no other time. */
class Collector extends Shell {
  constructor(program = PYTHON, args: readonly string[] = ["-I", CHILD]) {
    super(program, args);
  }

  override run(code: string): Promise<string> {
    return this.send(`${code}\n`);
  }

  /** What it says. */
  async tell(code: string): Promise<number[]> {
    return (await this.run(code)).trim().split(/\s+/).map(Number);
  }
}

/** Programs of a test, gone with it. */
class Folder implements AsyncDisposable {
  private constructor(readonly folder: string) {}

  static async make(): Promise<Folder> {
    return new Folder(await Deno.makeTempDir());
  }

  path(name: string): string {
    return `${this.folder}/${name}`;
  }

  /** Makes a program that is Python by a library. */
  async link(program: string, ...args: readonly string[]): Promise<void> {
    const source = this.path("main.c");
    await Deno.writeTextFile(source, MAIN);
    await finishedWell(LINKER, source, "-o", program, ...args);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.folder, { recursive: true });
  }
}

const MAIN =
  "int Py_BytesMain(int, char **); int main(int n, char **args) { return Py_BytesMain(n, args); }";

/** Whether one of the files is not there, as on a machine that vm.sh boots; says so. */
function lacks(...paths: readonly string[]): boolean {
  const missing = paths.filter((path) => {
    try {
      return !Deno.statSync(path).isFile;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return true;
      throw error;
    }
  });
  if (missing.length > 0) console.log(`This machine lacks ${missing.join(", ")}`);
  return missing.length > 0;
}

async function finishedWell(command: string, ...args: readonly string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(command, { args: [...args] }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
}

/** What the semaphores of both marks hold in a process of PYTHON. */
function semaphoresOf(pid: number): number[] {
  const path = Deno.realPathSync(PYTHON);
  const file = readElf(Deno.readFileSync(path));
  const maps = Deno.readTextFileSync(`/proc/${pid}/maps`);
  using memory = Deno.openSync(`/proc/${pid}/mem`);
  return usdtMarks(file, "python", new Set(["gc__start", "gc__done"])).map(({ semaphore }) => {
    memory.seekSync(addressOf(maps, path, semaphore), Deno.SeekMode.Start);
    const value = new Uint16Array(1);
    assert.equal(memory.readSync(new Uint8Array(value.buffer)), 2);
    return value[0]!;
  });
}

/** Where a part of the file is in the memory of a process. */
function addressOf(maps: string, path: string, offset: number): number {
  for (const [, from, to, start, name] of maps.matchAll(MAPS_REGEXP)) {
    const [first, end, at] = [from, to, start].map((text) => parseInt(text!, 16));
    const address = first! + offset - at!;
    if (name === path && address >= first! && address < end!) return address;
  }
  throw new RangeError(`"${path}" is not mapped at ${offset}`);
}

function startRig(): Promise<TaskRig> {
  return TaskRig.start(pygc, { tables: ["proc_pygc"] });
}

/** The process's collections so far. */
function counted(rig: TaskRig, pid: number): number {
  const rows = [...rig.rows("proc_pygc", { tgid: pid }).values()];
  return rows.reduce((sum, { python_gc }) => sum + python_gc!, 0);
}

async function assertCounted(rig: TaskRig, child: Collector, comm = "python3"): Promise<void> {
  const before = counted(rig, child.pid);
  const sumBefore = before === 0 ? 0 : rig.row("proc_pygc", { tgid: child.pid }).latency_sum!;
  const [count, sum, longest] = await child.tell(`collect(${COLLECTIONS})`);
  assert.equal(count, COLLECTIONS);
  await rig.read();
  const row = rig.row("proc_pygc", { tgid: child.pid, comm });
  assert.equal(row.python_gc! - before, COLLECTIONS);
  const [milliseconds, most] = [row.latency_sum! - sumBefore, row.latency_max!];
  // Python's clock also sees its own calls around the marks, and what else had the CPU then.
  const text = `${milliseconds} ms, Python says ${sum! / 1e6}; ${most}, ${longest! / 1e6}`;
  assert.ok(milliseconds <= sum! / 1e6 && milliseconds > sum! / 1e6 * 0.5, text);
  assert.ok(most <= longest! / 1e6 && most >= milliseconds / COLLECTIONS, text);
  const histogram = rig.histogram("proc_pygc", "python_gc_seconds", { tgid: child.pid });
  assert.equal(histogram.count, row.python_gc);
  assert.ok(Math.abs(histogram.sum * 1000 - row.latency_sum!) < 1e-6);
}

Deno.test("pygc counts 211 collections of a Python that ran before, and of one that is started later", async () => {
  await using old = new Collector();
  await old.run("pass");
  await using rig = await startRig();
  assert.ok(rig.running.hooks!().every(({ state }) => state === "attached"));
  await assertCounted(rig, old);
  await using young = new Collector();
  const [all] = await young.tell("all_so_far()");
  await rig.read();
  assert.equal(counted(rig, young.pid), all);
  await assertCounted(rig, young);
  await assertCounted(rig, old);
  await rig.read();
  const { latency_max } = rig.row("proc_pygc", { tgid: old.pid });
  assert.equal(latency_max, 0);
  assert.deepEqual(rig.running.losses!(), { table_full: 0, ring_drop: 0 });
});

Deno.test("pygc counts collections within a collection, of another interpreter", async () => {
  await using child = new Collector();
  await child.run("import _xxsubinterpreters as subs; other = subs.create()");
  await child.run('subs.run_string(other, "import gc; gc.disable()")');
  await using rig = await startRig();
  const inner = 'subs.run_string(other, "import gc; gc.collect()")';
  for (let i = 0; i < 7; i++) {
    const [outer] = await child.tell(`Dying(lambda: ${inner}); collect(1)`);
    assert.equal(outer, 1);
  }
  await rig.read();
  assert.equal(counted(rig, child.pid), 14);
  await assertCounted(rig, child);
  await child.run("subs.destroy(other)");
});

Deno.test("pygc counts no collection that another process began, and none that never ends", async () => {
  await using child = new Collector();
  await child.run("pids = []");
  await using rig = await startRig();
  // The child of a fork comes out of its parent's collection; then it begins 5 of its own.
  const fork = "Dying(lambda: pids.append(os.fork())); collect(1)";
  await child.run(`${fork}; pids[0] or (collect(5), os._exit(0)); os.wait()`);
  const end = "Dying(lambda: os._exit(0)); collect(1)";
  await child.run(`pids.append(os.fork()); pids[1] or exec("${end}"); os.wait()`);
  const [forked, ended] = await child.tell("print(*pids)");
  await rig.read();
  assert.deepEqual([child.pid, forked!, ended!].map((pid) => counted(rig, pid)), [1, 5, 0]);
});

Deno.test("pygc finds an interpreter that nobody ran before, once it looks again", async () => {
  await using folder = await Folder.make();
  await using rig = await startRig();
  const copy = folder.path("python3.11");
  await Deno.copyFile(PYTHON, copy);
  await using child = new Collector(copy);
  await child.run("collect(3)");
  for (let i = 0; i < SCAN_READINGS; i++) await rig.read();
  assert.equal(counted(rig, child.pid), 0);
  await child.run("collect(31)");
  await rig.read();
  assert.equal(counted(rig, child.pid), 31);
});

Deno.test({
  name: "pygc counts once what two containers run of one image",
  ignore: !/\toverlay$/m.test(Deno.readTextFileSync("/proc/filesystems")),
  fn: async () => {
    await using folder = await Folder.make();
    for (const name of ["image", "empty", "root"]) await Deno.mkdir(folder.path(name));
    await Deno.copyFile(PYTHON, folder.path("image/python3.11"));
    const layers = `lowerdir=${folder.path("image")}:${folder.path("empty")}`;
    const root = folder.path("root");
    const inContainer =
      `mount -t overlay none -o ${layers} ${root} && exec ${root}/python3.11 -I ${CHILD}`;
    const container = () => new Collector("/usr/bin/unshare", ["--mount", "sh", "-c", inContainer]);
    await using first = container();
    await using second = container();
    await first.run("pass");
    await second.run("pass");
    await using rig = await startRig();
    await assertCounted(rig, first, "python3.11");
    await assertCounted(rig, second, "python3.11");
    assert.equal(counted(rig, first.pid), COLLECTIONS);
  },
});

Deno.test({
  name: "pygc counts collections of a program that Python is a library of",
  ignore: lacks(LINKER, `${LIBRARIES}/libpython3.11.so.1.0`),
  fn: async () => {
    await using folder = await Folder.make();
    const program = folder.path("embedder");
    await folder.link(program, "-l:libpython3.11.so.1.0");
    await using child = new Collector(program);
    await child.run("pass");
    await using rig = await startRig();
    await assertCounted(rig, child, "embedder");
  },
});

Deno.test({
  name:
    "pygc counts by the name of the function where there are no marks, and nothing where is neither",
  ignore: lacks(LINKER, STATIC_PYTHON),
  fn: async () => {
    await using folder = await Folder.make();
    const program = folder.path("whole");
    await folder.link(
      program,
      "-no-pie",
      "-Wl,--export-dynamic",
      STATIC_PYTHON,
      "-lm",
      "-lz",
      "-lexpat",
    );
    const [named, nameless] = [folder.path("python3.11"), folder.path("python3")];
    await finishedWell("llvm-objcopy-19", "--remove-section=.note.stapsdt", program, named);
    await finishedWell("llvm-objcopy-19", "--strip-all", named, nameless);
    {
      await using child = new Collector(named);
      await child.run("pass");
      await using rig = await startRig();
      assert.ok(rig.running.hooks!().some(({ program }) => program === "pygc_enter"));
      // From inside a collection a second one is refused, which is no collection.
      await child.run("Dying(lambda: gc.collect()); collect(1)");
      await rig.read();
      await assertCounted(rig, child, "python3.11");
      assert.equal(counted(rig, child.pid), COLLECTIONS + 1);
    }
    await using child = new Collector(nameless);
    await child.run("pass");
    await using rig = await startRig();
    await child.run("collect(3)");
    await rig.read();
    assert.equal(counted(rig, child.pid), 0);
  },
});

Deno.test("pygc leaves nothing attached, and no semaphore raised", async () => {
  await using child = new Collector();
  await child.run("pass");
  assert.deepEqual(semaphoresOf(child.pid), [0, 0]);
  const before = heldBy(Deno.pid);
  const rig = await startRig();
  const held = new Set([...heldBy(Deno.pid)].filter((id) => !before.has(id)));
  assert.ok([...held].some((id) => id.startsWith("prog")));
  assert.deepEqual(semaphoresOf(child.pid), [1, 1]);
  await child.run("collect(3)");
  await rig[Symbol.asyncDispose]();
  await assertGone(held);
  assert.deepEqual(semaphoresOf(child.pid), [0, 0]);
  const [count] = await child.tell("collect(3)");
  assert.equal(count, 3);
});
