// SPDX-License-Identifier: MulanPSL-2.0
/** Processes through BPF and through /proc on the running kernel: both must tell the same. */
import assert from "node:assert/strict";
import { ContainerLookup } from "../../src/core/container_lookup.ts";
import { ProcessTable } from "../../src/core/process_table.ts";
import { TASK, TASK_FIELDS, TaskBatch, type TaskField } from "../../src/core/task_batch.ts";
import { BpfTasks } from "../../src/sys/bpf_tasks.ts";
import { RootFiles } from "../../src/sys/host_files.ts";
import { pageSize, ProcTasks } from "../../src/sys/proc_tasks.ts";
import { TestCgroup } from "./test_cgroup.ts";
import { openInstalled, probeBytes } from "./test_object.ts";

const ATTEMPTS = 5;

/** Both ways to read, with a batch each. */
class Rig implements Disposable {
  readonly #ends = new DisposableStack();

  private constructor(
    readonly bpf: BpfTasks,
    readonly proc: ProcTasks,
    ends: readonly Disposable[],
  ) {
    for (const end of ends) this.#ends.use(end);
  }

  static async start(): Promise<Rig> {
    const libbpf = openInstalled();
    const files = new RootFiles();
    const proc = new ProcTasks(files, pageSize());
    const host = { libbpf, files: proc, pageBytes: pageSize(), root: "" };
    const bpf = await BpfTasks.load({ ...host, image: await probeBytes("proc") });
    return new Rig(bpf, proc, [libbpf, files, bpf]);
  }

  [Symbol.dispose](): void {
    this.#ends.dispose();
  }
}

type Facts = ReadonlyMap<string, number | string>;

/** Everything known of each process, by its id. */
function facts(source: BpfTasks | ProcTasks): Map<number, Facts> {
  const batch = new TaskBatch();
  source.read(batch);
  const found = new Map<number, Facts>();
  for (let index = 0; index < batch.count; index++) {
    if (!source.complete(batch, index)) continue;
    const told = new Map<string, number | string>([["comm", batch.comm(index)]]);
    // Only the kernel tells which cgroups it is in.
    for (const field of TASK_FIELDS.filter((it) => it !== "cgroups")) {
      told.set(field, batch.get(index, TASK[field]));
    }
    found.set(batch.get(index, TASK.tgid), told);
  }
  return found;
}

function differences(one: Facts | undefined, other: Facts): string[] {
  return [...other].filter(([field, value]) => one?.get(field) !== value)
    .map(([field, value]) => `${field}: ${one?.get(field)} and ${value}`);
}

/** Starts a program that says when it is ready, and ends it afterwards. */
async function withProcess(
  args: readonly [string, ...string[]],
  run: (pid: number) => Promise<void> | void,
): Promise<void> {
  const [program, ...rest] = args;
  const child = new Deno.Command(program, { args: rest, stdout: "piped", stdin: "piped" }).spawn();
  const reader = child.stdout.getReader();
  try {
    await reader.read();
    await run(child.pid);
  } finally {
    child.kill("SIGKILL");
    await reader.cancel();
    await child.stdin.abort().catch(() => {});
    await child.status;
  }
}

const python = (code: string) =>
  ["python3", "-c", `${code}\nprint("ready", flush=True)\ninput()`] as const;

/** A process that is at rest must be told alike; until it is, it may still be on its way there. */
async function assertAlike(rig: Rig, pid: number): Promise<Facts> {
  let [told, wrong]: [Facts | undefined, string[]] = [undefined, []];
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const viaProc = facts(rig.proc).get(pid);
    told = facts(rig.bpf).get(pid);
    assert.ok(viaProc !== undefined && told !== undefined, `process ${pid} is there`);
    wrong = differences(told, viaProc);
    if (wrong.length === 0) return told;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.fail(`process ${pid}: ${wrong.join(", ")}`);
}

Deno.test("BpfTasks and ProcTasks tell the same of every process of this host that rests meanwhile", async () => {
  using rig = await Rig.start();
  // What goes there and back between two readings (its CPU) looks at rest: it does not do so each time.
  let wrong: string[] = [];
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const [before, middle, after] = [facts(rig.bpf), facts(rig.proc), facts(rig.bpf)];
    const resting = [...middle].filter(([pid]) =>
      before.has(pid) && after.has(pid) &&
      differences(before.get(pid)!, after.get(pid)!).length === 0
    );
    assert.ok(resting.length >= 5, `${resting.length} of ${middle.size} processes rest`);
    wrong = resting.flatMap(([pid, told]) =>
      differences(before.get(pid), told).map((text) => `${pid} ${told.get("comm")} ${text}`)
    );
    if (wrong.length === 0) break;
  }
  assert.deepEqual(wrong, []);
});

Deno.test("BpfTasks sees ended threads, faults, I/O and descriptors as /proc does", async () => {
  using rig = await Rig.start();
  const code = `
import os, threading
def work():
    sum(range(2000000)); bytearray(1 << 22); open("/dev/zero", "rb", 0).read(100003)
for _ in range(7):
    t = threading.Thread(target=work); t.start(); t.join()
gate = threading.Event()
for _ in range(13): threading.Thread(target=gate.wait, daemon=True).start()
held = [open("/dev/null") for _ in range(131)]
os.write(os.open("/dev/null", os.O_WRONLY), b"x" * 1009)`;
  await withProcess(python(code), async (pid) => {
    const told = await assertAlike(rig, pid);
    assert.equal(told.get("threads"), 14);
    assert.equal(told.get("fds"), [...Deno.readDirSync(`/proc/${pid}/fd`)].length);
    assert.ok(Number(told.get("fds")) >= 3 + 131 + 1);
    assert.ok(Number(told.get("rchar")) >= 7 * 100003);
    assert.ok(Number(told.get("utime")) > 0);
  });
});

Deno.test("BpfTasks takes from /proc what is too much for one record", async () => {
  using rig = await Rig.start();
  const code = `
import threading
threading.stack_size(65536)
gate = threading.Event()
for _ in range(600): threading.Thread(target=gate.wait, daemon=True).start()`;
  await withProcess(python(code), async (pid) => {
    const told = await assertAlike(rig, pid);
    assert.equal(told.get("threads"), 601);
  });
});

Deno.test("BpfTasks tells names, groups, priorities and limits as /proc does", async () => {
  using rig = await Rig.start();
  const code = `
import os, resource
os.setpgid(0, 0); os.nice(7)
resource.setrlimit(resource.RLIMIT_NOFILE, (97, 4096))
open("/proc/self/comm", "w").write("a) S (b\\n\\\\c")`;
  await withProcess(python(code), async (pid) => {
    const told = await assertAlike(rig, pid);
    const field = (name: TaskField | "comm") => told.get(name);
    assert.equal(field("comm"), "a) S (b\n\\c");
    assert.deepEqual(
      [field("pgid"), field("ppid"), field("nice"), field("priority"), field("fd_limit")],
      [pid, Deno.pid, 7, 27, 97],
    );
  });
});

Deno.test("BpfTasks tells kernel threads and a process that nobody has waited for as /proc does", async () => {
  using rig = await Rig.start();
  await withProcess(python("import os\nif os.fork() == 0: os._exit(3)"), async (pid) => {
    const zombie = [...facts(rig.proc)].find(([, told]) => told.get("ppid") === pid)?.[0];
    assert.ok(zombie !== undefined);
    const told = await assertAlike(rig, zombie);
    assert.deepEqual([told.get("size_bytes"), told.get("fds"), told.get("threads")], [0, 0, 1]);
  });
});

Deno.test("BpfTasks never lets CPU time go back while somebody else reads /proc or not", async () => {
  using rig = await Rig.start();
  const code =
    "import os,sys\nprint(1,flush=True)\nwhile True:\n  sum(range(3000)); os.getppid(); open('/dev/null')";
  await withProcess(["python3", "-c", code], (pid) => {
    let [utime, stime] = [0, 0];
    for (let round = 0; round < 300; round++) {
      const told = facts(round % 7 === 3 ? rig.proc : rig.bpf).get(pid)!;
      if (round % 7 === 3) continue;
      const now = [Number(told.get("utime")), Number(told.get("stime"))] as const;
      assert.ok(now[0] >= utime && now[1] >= stime, `${utime} ${stime} to ${now}`);
      [utime, stime] = now;
    }
    assert.ok(utime + stime > 0);
  });
});

Deno.test("BpfTasks tells that a process was moved, and its new container is known at once", async () => {
  using rig = await Rig.start();
  using files = new RootFiles();
  using cgroup = TestCgroup.of("pids", crypto.randomUUID().replaceAll("-", "").repeat(2));
  const lookup = new ContainerLookup(files, { clock: () => 0 });
  const table = new ProcessTable(files, {
    clock: () => 0,
    containerOf: lookup.idOf.bind(lookup),
  });
  const batch = new TaskBatch();
  const look = (pid: number) => {
    rig.bpf.read(batch);
    const index = indexOf(batch, pid);
    const { containerId } = table.note(batch, index, 0);
    return { containerId, cgroups: batch.get(index, TASK.cgroups) };
  };
  await withProcess(python(""), (pid) => {
    const before = look(pid);
    assert.deepEqual(look(pid), before);
    assert.notEqual(before.containerId, cgroup.name.slice(0, 12));
    Deno.writeTextFileSync(`${cgroup.path}/cgroup.procs`, String(pid));
    const after = look(pid);
    assert.notEqual(after.cgroups, before.cgroups);
    assert.equal(after.containerId, cgroup.name.slice(0, 12));
  });
});

function indexOf(batch: TaskBatch, pid: number): number {
  for (let index = 0; index < batch.count; index++) {
    if (batch.get(index, TASK.tgid) === pid) return index;
  }
  assert.fail(`process ${pid} is there`);
}
