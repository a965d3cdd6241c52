// SPDX-License-Identifier: MulanPSL-2.0
/** The task and kill probes beside bpftrace, which counts the same things of the same process at the same time. */
import assert from "node:assert/strict";
import kill from "../../src/probes/kill.ts";
import task from "../../src/probes/task.ts";
import { Shell, TaskRig } from "./task_rig.ts";

const READS = 1009;
const FAILING_OPENS = 211;
const FORKS = 97;
const KILLS = 53;
const SIGUSR1 = 10;
/** Numbers of system calls of x86-64. */
const READ = 0;
const OPENAT = 257;
const ENOENT = 2;

/** Prints "ready", counts until it is told to end, and prints the counts. */
const program = (pid: number) => `
BEGIN { print("ready"); @reads = count(); @opens = count(); @forks = count(); @kills = count(); }
tracepoint:raw_syscalls:sys_exit /pid == ${pid} && args->id == ${READ}/ { @reads = count(); }
tracepoint:raw_syscalls:sys_exit /pid == ${pid} && args->id == ${OPENAT} && args->ret == -${ENOENT}/
{ @opens = count(); }
tracepoint:sched:sched_process_fork /pid == ${pid}/ { @forks = count(); }
tracepoint:signal:signal_generate /pid == ${pid} && args->sig == ${SIGUSR1}/ { @kills = count(); }
`;

type Counts = Readonly<Record<"reads" | "opens" | "forks" | "kills", number>>;

/** In a mount namespace of its own, for it needs tracefs. */
class Bpftrace implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #text: Promise<void>;
  #seen = "";
  #ended = false;

  constructor(pid: number) {
    const mount = "grep -q ' /sys/kernel/tracing tracefs ' /proc/mounts || " +
      'mount -t tracefs nodev /sys/kernel/tracing && exec bpftrace -e "$0"';
    this.#child = new Deno.Command("unshare", {
      args: ["-m", "sh", "-c", mount, program(pid)],
      stdout: "piped",
      stderr: "null",
      stdin: "null",
    }).spawn();
    this.#text = this.#read();
  }

  async #read(): Promise<void> {
    for await (const text of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
      this.#seen += text;
    }
    this.#ended = true;
  }

  /** Its start takes seconds on a busy machine. */
  async ready(): Promise<void> {
    while (!this.#seen.includes("ready") && !this.#ended) {
      await new Promise((done) => setTimeout(done, 10));
    }
    assert.ok(!this.#ended, `bpftrace ended: ${this.#seen}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#ended) this.#child.kill("SIGKILL");
    await this.#text;
    await this.#child.status;
  }

  /** Without what BEGIN counted to have the maps. */
  async end(): Promise<Counts> {
    this.#child.kill("SIGINT");
    await this.#text;
    await this.#child.status;
    const count = (name: string) =>
      Number(new RegExp(`@${name}: (\\d+)`).exec(this.#seen)?.[1]) - 1;
    return {
      reads: count("reads"),
      opens: count("opens"),
      forks: count("forks"),
      kills: count("kills"),
    };
  }
}

class Perl extends Shell {
  constructor() {
    super("perl", ["-e", '$| = 1; while (<STDIN>) { eval; print "done:0\\n"; }']);
  }

  override run(line: string): Promise<string> {
    return this.send(`${line}\n`);
  }
}

function hasBpftrace(): boolean {
  try {
    return new Deno.Command("bpftrace", { args: ["--version"] }).outputSync().success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

Deno.test("task and kill count reads, failed opens, forks and signals as bpftrace does", async () => {
  if (!hasBpftrace()) return console.log("This host has no bpftrace");
  await using perl = new Perl();
  await using receiver = new Shell();
  await receiver.run("trap : USR1");
  await using tasks = await TaskRig.start(task, {
    tables: ["proc_sched", "proc_syscall_time", "proc_syscall_error"],
    settings: { observe_names: "", observe_pids: `${perl.pid}` },
  });
  await using kills = await TaskRig.start(kill, { tables: ["kill_info"] });
  await tasks.read();
  await perl.run("1"); // its read began before it was observed
  await perl.run(`open $f, "<", "/dev/zero"; open $n, "<", "/none"; $p = fork // die; exit if !$p`);
  await perl.run("waitpid $p, 0");
  await using bpftrace = new Bpftrace(perl.pid);
  await bpftrace.ready();
  const ours = (): Counts => {
    const { tgid } = { tgid: perl.pid };
    const signals = [...kills.rows("kill_info", { killer_pid: tgid, signal: SIGUSR1 }).values()];
    return {
      reads: tasks.histogram("proc_syscall_time", "seconds", { tgid, syscall: "read" }).count,
      opens: tasks.row("proc_syscall_error", { tgid, syscall: "openat", errno: "ENOENT" }).errors!,
      forks: tasks.row("proc_sched", { tgid }).forks!,
      kills: signals[0]?.signals ?? 0,
    };
  };
  await tasks.read();
  await kills.read();
  const before = ours();
  await perl.run(
    `sysread $f, $x, 7 for 1..${READS}; open $n, "<", "/none" for 1..${FAILING_OPENS};` +
      ` for (1..${FORKS}) { $p = fork // die; exit if !$p; waitpid $p, 0 }` +
      ` kill "USR1", ${receiver.pid} for 1..${KILLS}`,
  );
  await tasks.read();
  await kills.read();
  const after = ours();
  const counted = await bpftrace.end();
  assert.deepEqual({
    reads: after.reads - before.reads,
    opens: after.opens - before.opens,
    forks: after.forks - before.forks,
    kills: after.kills - before.kills,
  }, counted);
  // One more read: of the line that told it.
  assert.deepEqual(counted, {
    reads: READS + 1,
    opens: FAILING_OPENS,
    forks: FORKS,
    kills: KILLS,
  });
});
