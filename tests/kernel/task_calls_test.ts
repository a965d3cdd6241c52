// SPDX-License-Identifier: MulanPSL-2.0
/** System calls of observed processes by the task probe: exact counts of known work. */
import assert from "node:assert/strict";
import task from "../../src/probes/task.ts";
import { Shell, TaskRig } from "./task_rig.ts";

const READS = 1009;
const FAILING_OPENS = 211;
const WRITES = 307;
const TABLES = [
  "proc_syscall",
  "proc_syscall_io",
  "proc_syscall_net",
  "proc_syscall_sched",
  "proc_syscall_fork",
  "proc_syscall_ioctl",
  "proc_syscall_time",
  "proc_syscall_error",
];

/** A Perl that reads its program's lines from standard input: it makes exactly the calls it is told to. */
class Perl extends Shell {
  constructor() {
    super("perl", ["-e", '$| = 1; while (<STDIN>) { eval; print "done:0\\n"; }']);
  }

  override run(line: string): Promise<string> {
    return this.send(`${line}\n`);
  }
}

const observing = (...shells: Shell[]) => ({
  observe_names: "",
  observe_pids: shells.map(({ pid }) => pid).join(),
});

Deno.test("task counts 1,009 reads and 307 writes exactly, with their time", async () => {
  await using perl = new Perl();
  await using rig = await TaskRig.start(task, { tables: TABLES, settings: observing(perl) });
  await rig.read(); // from now on it is observed
  await perl.run("1"); // its read began before it was observed
  await perl.run(`open $f, "<", "/dev/zero"; open $g, ">", "/dev/null"`);
  await rig.read();
  const of = (syscall: string) => ({ tgid: perl.pid, syscall });
  const before = {
    read: rig.histogram("proc_syscall_time", "seconds", of("read")).count,
    write: rig.histogram("proc_syscall_time", "seconds", of("write")).count,
  };
  const io = ioOf(perl.pid);
  await perl.run(
    `sysread $f, $x, 7 for 1..${READS}; syswrite $g, "abc" for 1..${WRITES};`,
  );
  await rig.read();
  const read = rig.histogram("proc_syscall_time", "seconds", of("read"));
  const write = rig.histogram("proc_syscall_time", "seconds", of("write"));
  // Besides, one read of the line that told it, and one write of the answer.
  assert.equal(read.count - before.read, READS + 1);
  assert.equal(write.count - before.write, WRITES + 1);
  const now = ioOf(perl.pid);
  assert.equal(now.syscr - io.syscr, READS + 1);
  assert.equal(now.syscw - io.syscw, WRITES + 1);
  const { ns_read, ns_write, ns_fsync } = rig.row("proc_syscall_io", { tgid: perl.pid });
  assert.ok(ns_read! > 0 && ns_read! * 1e-9 <= read.sum, `${ns_read} ns of ${read.sum} s`);
  assert.ok(ns_write! > 0 && ns_write! * 1e-9 <= write.sum);
  assert.equal(ns_fsync, 0);
  await rig.read();
  assert.equal(rig.row("proc_syscall_io", { tgid: perl.pid }).ns_write, 0, "of a period");
  assert.equal(
    rig.histogram("proc_syscall_time", "seconds", of("read")).count,
    read.count,
    "totals stay",
  );
});

function ioOf(pid: number): { syscr: number; syscw: number } {
  const text = Deno.readTextFileSync(`/proc/${pid}/io`);
  const number = (name: string) => Number(new RegExp(`^${name}: (\\d+)`, "m").exec(text)![1]);
  return { syscr: number("syscr"), syscw: number("syscw") };
}

Deno.test("task counts 211 failing opens by error, of observed processes only", async () => {
  await using perl = new Perl();
  await using other = new Perl();
  await using rig = await TaskRig.start(task, { tables: TABLES, settings: observing(perl) });
  await rig.read();
  const work = `for (1..${FAILING_OPENS}) { open $f, "<", "/nowhere/at/all" }`;
  await perl.run(work);
  await other.run(work);
  await rig.read();
  const errors = { tgid: perl.pid, syscall: "openat", errno: "ENOENT" };
  assert.equal(rig.row("proc_syscall_error", errors).errors, FAILING_OPENS);
  assert.equal(rig.row("proc_syscall", { tgid: perl.pid }).syscall_failed, FAILING_OPENS);
  assert.equal(rig.rows("proc_syscall").size, 1);
  assert.equal(rig.rows("proc_syscall_error").size, 1);
  await perl.run(`kill 0, 0; rmdir "/proc"; ${work}`);
  await rig.read();
  assert.equal(rig.row("proc_syscall_error", errors).errors, 2 * FAILING_OPENS);
  assert.equal(rig.row("proc_syscall_error", { syscall: "rmdir" }).errors, 1);
});

Deno.test("task times 97 forks, and the calls of a thread that has ended", async () => {
  await using perl = new Perl();
  await using rig = await TaskRig.start(task, { tables: TABLES, settings: observing(perl) });
  await rig.read();
  await perl.run(`for (1..97) { if (!($p = fork)) { exit } waitpid $p, 0 }`);
  await rig.read();
  // The C library forks by clone.
  const of = { tgid: perl.pid, syscall: "clone" };
  assert.equal(rig.histogram("proc_syscall_time", "seconds", of).count, 97);
  assert.ok(rig.row("proc_syscall_fork", { tgid: perl.pid }).ns_clone! > 0);
  const pid = perl.pid;
  await perl.run(`open $f, "<", "/dev/zero"`);
  await perl.end("sysread $f, $x, 7 for 1..53; exit;\n");
  await rig.read();
  const { count } = rig.histogram("proc_syscall_time", "seconds", { tgid: pid, syscall: "read" });
  assert.equal(count, 2 + 53); // two lines; the read of the first began before it was observed
});

Deno.test("task tells ioctls apart by command", async () => {
  await using perl = new Perl();
  await using rig = await TaskRig.start(task, { tables: TABLES, settings: observing(perl) });
  await rig.read();
  await perl.run(`ioctl STDIN, 0x541B, $x = "1234"`); // FIONREAD: no direction, type 0x54, number 0x1b
  await rig.read();
  const row = rig.row("proc_syscall_ioctl", {
    tgid: perl.pid,
    ioctl_fd: 0,
    ioctl_dir: 0,
    ioctl_type: 0x54,
    ioctl_nr: 0x1b,
  });
  assert.ok(row.ns_ioctl! > 0);
  assert.equal(row.ioctl_size, 0);
});

Deno.test("task loads nothing at system calls while no table wants it", async () => {
  await using rig = await TaskRig.start(task, { tables: ["proc_cpu"] });
  const programs = rig.running.hooks!().map(({ program }) => program);
  assert.ok(programs.includes("task_switch"));
  assert.ok(!programs.includes("task_sys_enter") && !programs.includes("task_sys_exit"));
});
