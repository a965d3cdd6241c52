// SPDX-License-Identifier: MulanPSL-2.0
/** The task probe with a process of 50,000 threads, or as many as there is room for: exact, bounded, and what it leaves. */
import assert from "node:assert/strict";
import process from "node:process";
import task from "../../src/probes/task.ts";
import { Shell, TaskRig } from "./task_rig.ts";
import { TestCgroup } from "./test_cgroup.ts";
import { testProgram } from "./test_object.ts";
import { until } from "../until.ts";

const MOST_THREADS = 50_000;
const PID_MAX = "/proc/sys/kernel/pid_max";
/** Room for whoever else works here. */
const RESERVED_PIDS = 8000;
/** Of the host's memory, with what is observed of each. */
const KB_A_THREAD = 64;
/** thread_cpu's, without which a thread has no row. */
const THREAD_ROWS = 8192;
/** Of the kernel's memory for each thread that is observed: its times, and its storage, which is 328 bytes. */
const MOST_BYTES_A_THREAD = 6144;
/** What else may come meanwhile: rows of other processes, and what this process itself needs of the kernel. */
const OTHER_BYTES = 32 * 1024 * 1024;
/** Half of the interval. */
const MOST_CPU_MS = 2500;

/**
 * Room for that many threads on this host. A process of its own gives back what was before also when this one is killed,
 * and of several tests that do so each waits for the other.
 */
class PidRoom extends Shell {
  constructor() {
    const raise = `was=$(cat $0); [ $was -ge $1 ] || echo $1 > $0; echo done:0; cat > /dev/null; ` +
      `echo $was > $0`;
    super("flock", [PID_MAX, "sh", "-c", raise, PID_MAX, `${2 * MOST_THREADS}`]);
  }

  async made(): Promise<this> {
    await this.send("");
    return this;
  }
}

/** Answers each line with how many threads did what it says. */
class Threads extends Shell {
  override async run(line: string): Promise<string> {
    return (await this.send(`${line}\n`)).trim();
  }
}

function numberIn(path: string, pattern = /(\d+)/): number {
  return Number(pattern.exec(Deno.readTextFileSync(path))![1]);
}

/** As many as this host has room for. */
function threadsPossible(): number {
  const running = numberIn("/proc/loadavg", /\/(\d+)/);
  const limits = [PID_MAX, "/proc/sys/kernel/threads-max"].map((path) => numberIn(path));
  const pids = Math.min(...limits) - running - RESERVED_PIDS;
  const memory = numberIn("/proc/meminfo", /^MemAvailable:\s+(\d+)/m) / KB_A_THREAD;
  const count = Math.floor(Math.min(MOST_THREADS, pids, memory));
  if (count < MOST_THREADS) console.log(`room for ${count} threads only`);
  return count;
}

/** What the kernel charges to this process while this lives, all its eBPF maps among it. */
class ChargedMemory implements Disposable {
  readonly #group = TestCgroup.of("memory");
  readonly #before = Deno.readTextFileSync("/proc/self/cgroup").split("\n")
    .find((line) => this.#group.isV1 ? /:memory:/.test(line) : line.startsWith("0::"))!
    .replace(/^.*?:.*?:/, "");

  constructor() {
    this.#enter(this.#group.path);
  }

  get bytes(): number {
    const { path, isV1 } = this.#group;
    return isV1
      ? numberIn(`${path}/memory.kmem.usage_in_bytes`)
      : numberIn(`${path}/memory.stat`, /^kernel (\d+)/m);
  }

  #enter(path: string): void {
    Deno.writeTextFileSync(`${path}/cgroup.procs`, `${Deno.pid}`);
  }

  [Symbol.dispose](): void {
    this.#enter(`/sys/fs/cgroup${this.#group.isV1 ? "/memory" : ""}${this.#before}`);
    this.#group[Symbol.dispose]();
  }
}

Deno.test("task counts what 50,000 threads of a process do exactly, with a full map, in bounded time and memory", async () => {
  const folder = await Deno.makeTempDir();
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const program = await testProgram("thread_child", folder);
  await stack.use(new PidRoom()).made();
  const count = threadsPossible();
  const processes = [1, 2].map(() => stack.use(new Threads(program)));
  // From here on, so that neither the threads nor their processes are charged.
  const memory = stack.use(new ChargedMemory());
  const before = memory.bytes;
  {
    await using rig = await TaskRig.start(task, {
      tables: ["proc_cpu", "proc_sched", "thread_cpu", "proc_syscall_time", "proc_syscall_error"],
      settings: { observe_names: "thread_child" },
    });
    await rig.read();
    // The kernel keeps what it has got for a map's elements: the second need no more.
    for (const threads of processes) {
      await come(rig, threads, count);
      if (threads === processes[0]) assertFull(rig, count + processes.length);
      await work(rig, threads, count);
      assertBounded(memory.bytes - before, count);
      await go(rig, threads, count);
    }
  }
  await until("their memory is given back", () => memory.bytes - before < OTHER_BYTES);
});

async function come(rig: TaskRig, threads: Threads, count: number): Promise<void> {
  assert.equal(await threads.run(`${count}`), `${count}`);
  await readInBounds(rig, count);
  assert.equal(rig.row("proc_sched", { tgid: threads.pid }).threads_made, count);
}

async function work(rig: TaskRig, threads: Threads, count: number): Promise<void> {
  assert.equal(await threads.run("work"), `${count}`);
  await readInBounds(rig, count);
  assertWork(rig, threads, count);
}

async function go(rig: TaskRig, threads: Threads, count: number): Promise<void> {
  assert.equal(await threads.run("end"), `${count}`);
  await rig.read();
  await rig.read(); // in which only what lives is renewed
  assertWork(rig, threads, count);
  rig.forgetAfter(0);
  assert.ok(rig.rows("thread_cpu", { tgid: threads.pid }).size <= 1);
}

function assertWork(rig: TaskRig, { pid: tgid }: Threads, count: number): void {
  const calls = { tgid, syscall: "write" };
  assert.equal(rig.histogram("proc_syscall_time", "seconds", calls).count, count);
  assert.equal(rig.row("proc_syscall_error", { tgid, errno: "EBADF" }).errors, count);
}

function assertBounded(bytes: number, count: number): void {
  console.log(`${(bytes / 1e6).toFixed(1)} MB of the kernel's memory`);
  assert.ok(bytes < count * MOST_BYTES_A_THREAD + OTHER_BYTES, `${bytes} bytes`);
}

/** A reading, and what it takes of the CPU. */
async function readInBounds(rig: TaskRig, count: number): Promise<void> {
  const before = process.cpuUsage();
  await rig.read();
  const { user, system } = process.cpuUsage(before);
  const ms = (user + system) / 1000;
  console.log(`${count} threads: read in ${ms.toFixed(0)} ms of CPU`);
  assert.ok(ms < MOST_CPU_MS, `${ms} ms`);
}

/** Those that have no row are counted. */
function assertFull(rig: TaskRig, threads: number): void {
  if (threads <= THREAD_ROWS) return console.log("no full map: room for fewer threads than rows");
  assert.equal(rig.table("thread_cpu").rows, THREAD_ROWS);
  assert.deepEqual(rig.running.losses!(), { table_full: threads - THREAD_ROWS, ring_drop: 0 });
}
