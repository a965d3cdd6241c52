// SPDX-License-Identifier: MulanPSL-2.0
/** The system_proc probe on processes that the test starts, held to what their files in /proc say. */
import assert from "node:assert/strict";
import { Unsupported } from "../../src/core/errors.ts";
import type { TaskSource } from "../../src/core/task_batch.ts";
import systemProc from "../../src/probes/system_proc.ts";
import { BpfTasks } from "../../src/sys/bpf_tasks.ts";
import { RootFiles } from "../../src/sys/host_files.ts";
import { startNative } from "../../src/sys/native_runner.ts";
import { pageSize, ProcTasks } from "../../src/sys/proc_tasks.ts";
import { newStore, type Row, settingsOf, storeRows, type Values } from "../run_probe.ts";
import { openInstalled, probeBytes } from "./test_object.ts";

const ATTEMPTS = 5;

/** The probe, running. */
class Rig implements Disposable {
  readonly files: RootFiles;
  readonly #store = newStore();
  readonly #running: ReturnType<typeof startNative>;
  #now = 0;

  constructor(values: Values, { root = "", tasks }: { root?: string; tasks?: TaskSource } = {}) {
    this.files = new RootFiles({ root });
    this.#running = startNative(systemProc, {
      store: this.#store,
      files: this.files,
      settings: settingsOf(systemProc, values),
      ...(tasks === undefined ? {} : { tasks }),
    });
  }

  /** Rows that this reading renewed; what is read beside it comes with the next. */
  tick(): Row[] {
    this.#now += 5000;
    this.#running.tick(this.#now);
    this.#store.sweep(this.#now + 60_000);
    return storeRows(this.#store)["system_proc"]!;
  }

  [Symbol.dispose](): void {
    this.#running.stop();
    this.files[Symbol.dispose]();
  }
}

/** BPF and what it needs, for as long as the returned stack lives. */
async function bpfTasks(ends: DisposableStack, root = ""): Promise<BpfTasks> {
  const libbpf = ends.use(openInstalled());
  const files = new ProcTasks(ends.use(new RootFiles({ root })), pageSize());
  const image = await probeBytes("proc");
  return ends.use(await BpfTasks.load({ libbpf, image, files, pageBytes: pageSize(), root }));
}

/** A program that runs until the end of `run`; talks over its standard input and output. */
async function withProgram(
  args: readonly [string, ...string[]],
  run: (pid: number, ask: (line?: string) => Promise<string>) => Promise<void>,
): Promise<void> {
  const [program, ...rest] = args;
  const child = new Deno.Command(program, {
    args: rest,
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = child.stdout.getReader();
  const writer = child.stdin.getWriter();
  const ask = async (line?: string) => {
    if (line !== undefined) await writer.write(new TextEncoder().encode(`${line}\n`));
    const { value } = await reader.read();
    return new TextDecoder().decode(value).trim();
  };
  try {
    await run(child.pid, ask);
  } finally {
    await writer.close().catch(() => {});
    endIfRunning(child);
    await reader.cancel();
    await child.status;
  }
}

function endIfRunning(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // thrown for one that has ended by itself
  }
}

const read = (pid: number, file: string) => Deno.readTextFileSync(`/proc/${pid}/${file}`);

/** Each metric that is a number of a file, read by other means than the probe's. */
function truth(pid: number): Record<string, number | string> {
  const stat = read(pid, "stat");
  const words = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const field = (number: number) => Number(words[number - 3]);
  const line = (text: string, name: string) =>
    Number(new RegExp(`^${name}:? +(\\d+)`, "m").exec(text)![1]);
  const [io, smaps] = [read(pid, "io"), read(pid, "smaps_rollup")];
  const limit = line(read(pid, "limits"), "Max open files");
  const fds = [...Deno.readDirSync(`/proc/${pid}/fd`)].length;
  return {
    tgid: String(pid),
    pgid: words[2]!,
    ppid: words[1]!,
    comm: read(pid, "comm").slice(0, -1),
    start_time: words[19]!,
    fd_count: fds,
    fd_free_per: (limit - fds) / limit * 100,
    rchar_bytes: line(io, "rchar"),
    wchar_bytes: line(io, "wchar"),
    syscr_count: line(io, "syscr"),
    syscw_count: line(io, "syscw"),
    read_bytes: line(io, "read_bytes"),
    write_bytes: line(io, "write_bytes"),
    cancelled_write_bytes: line(io, "cancelled_write_bytes"),
    shared_clean_size: line(smaps, "Shared_Clean"),
    shared_dirty_size: line(smaps, "Shared_Dirty"),
    private_clean_size: line(smaps, "Private_Clean"),
    private_dirty_size: line(smaps, "Private_Dirty"),
    referenced_size: line(smaps, "Referenced"),
    lazyfree_size: line(smaps, "LazyFree"),
    swap_data_size: line(smaps, "Swap"),
    swap_data_pss_size: line(smaps, "SwapPss"),
    minor_pagefault_count: field(10),
    major_pagefault_count: field(12),
    utime_jiffies: field(14),
    stime_jiffies: field(15),
    cutime_jiffies: field(16),
    cstime_jiffies: field(17),
    priority: field(18),
    nice: field(19),
    num_threads: field(20),
    vm_size: field(23),
    pm_size: field(24) * pageSize(),
    cpu: field(39),
  };
}

/** The command line as a label. */
const shown = (pid: number) => read(pid, "cmdline").slice(0, 512).replaceAll("\0", " ").trimEnd();

const settle = () => new Promise((resolve) => setTimeout(resolve, 30));
const WORK = `
import os, subprocess, sys, time
open("/proc/self/comm", "w").write("my (db) 1\\n)")
held = [open("/dev/null") for _ in range(59)]
os.write(os.open("/dev/null", os.O_WRONLY), b"x" * 4099)
subprocess.run(["sh", "-c", "i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done"])
end = time.process_time() + 0.2
while time.process_time() < end: os.getppid()
print("ready", flush=True)
sys.stdin.readline()`;

for (const way of ["iter/task", "/proc"]) {
  Deno.test(`system_proc through ${way} tells of a process what its files tell`, async () => {
    using ends = new DisposableStack();
    const tasks = way === "/proc" ? undefined : await bpfTasks(ends);
    await withProgram(["python3", "-c", WORK, "one argument"], async (pid, ask) => {
      await ask();
      using rig = new Rig(
        { proc_id: pid, smaps_interval: 1 },
        tasks === undefined ? {} : { tasks },
      );
      let [told, expected]: [Row | undefined, Row] = [undefined, {}];
      for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
        rig.tick();
        await settle(); // smaps_rollup is read meanwhile
        [told] = rig.tick();
        expected = truth(pid);
        if (Object.entries(expected).every(([name, value]) => told![name] === value)) break;
      }
      const { cmdline, container_id, pm_util, cpu_util, cpu_user_util, cpu_system_util, ...rest } =
        told!;
      assert.deepEqual(rest, expected);
      assert.equal(cmdline, shown(pid));
      assert.match(String(cmdline), /python3 -c \nimport os, subprocess/);
      assert.equal(container_id, "");
      assert.deepEqual([cpu_util, cpu_user_util, cpu_system_util], [0, 0, 0], "it rests");
      const total = Number(/MemTotal: +(\d+)/.exec(Deno.readTextFileSync("/proc/meminfo"))![1]);
      assert.equal(pm_util, Number(expected["pm_size"]) / (total * 1024) * 100);
      assert.ok(Number(rest["utime_jiffies"]) + Number(rest["stime_jiffies"]) >= 20);
    });
  });
}

Deno.test("system_proc finds a process by the last words of a huge command line, and shows the first", async () => {
  const long = Array.from({ length: 1000 }, (_, i) => `--option-${i}=${"v".repeat(100)}`);
  const args = [
    "python3",
    "-c",
    "print(1,flush=True)\nimport sys; sys.stdin.readline()",
    ...long,
    "last-word-of-all",
  ] as const;
  await withProgram([...args], async (pid, ask) => {
    await ask();
    assert.ok(read(pid, "cmdline").length > 100_000);
    using rig = new Rig({ cmdline: "last-word-of-all", smaps_interval: 0 });
    const rows = rig.tick();
    const [row] = rows.filter(({ tgid }) => tgid === String(pid));
    assert.equal(new TextEncoder().encode(String(row!["cmdline"])).length, 512);
    assert.match(
      String(row!["cmdline"]),
      /python3 -c print\(1,flush=True\)\nimport sys; sys.stdin.readline\(\) --option-0=v/,
    );
  });
});

Deno.test("system_proc tells a reused id from its former owner, in a pid namespace of its own", async () => {
  await withProgram(["unshare", "--pid", "--fork", "--mount-proc", "bash"], async (outer, ask) => {
    const former = await ask("sleep 1000 & echo $!");
    using rig = new Rig({ proc_id: former, smaps_interval: 0 }, { root: `/proc/${outer}/root` });
    const [before] = await until(() => rig.tick(), ([row]) => row?.["comm"] === "sleep");
    const again = await ask(
      `kill ${former}; wait ${former} 2>/dev/null; exec 3>/proc/sys/kernel/ns_last_pid; ` +
        `echo $((${former} - 1)) >&3; tail -f /dev/null & echo $!`,
    );
    assert.equal(again, former, "the kernel gives the id again");
    const rows = await until(() => rig.tick(), ([row]) => row?.["comm"] === "tail");
    assert.equal(rows.length, 1);
    assert.equal(rows[0]!["cmdline"], "tail -f /dev/null");
    assert.ok(Number(rows[0]!["start_time"]) >= Number(before!["start_time"]));
    assert.ok(Number(rows[0]!["utime_jiffies"]) < 100);

    using ends = new DisposableStack();
    await assert.rejects(
      () => bpfTasks(ends, `/proc/${outer}/root`),
      (error) => error instanceof Unsupported && /pid namespace/.test(error.mend!),
      "ids of another namespace are not the kernel's",
    );
    await ask(`kill ${again}; wait ${again} 2>/dev/null; echo done`);
  });
});

/** Reads until it is as wanted: a program needs a moment to become what it will be. */
async function until(tick: () => Row[], wanted: (rows: Row[]) => boolean): Promise<Row[]> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const rows = tick();
    if (wanted(rows)) return rows;
    await settle();
  }
  assert.fail("it never was as wanted");
}

Deno.test("system_proc reports only what it may see where /proc hides others (hidepid)", async () => {
  const folder = await Deno.makeTempDir();
  const child = new URL("proc_rows_child.ts", import.meta.url).pathname;
  try {
    await Deno.mkdir(`${folder}/proc`);
    // The mount lives in the program's own namespace and goes with it.
    const script = `mount -t proc -o hidepid=2 proc ${folder}/proc && ` +
      `exec setpriv --regid=65534 --clear-groups --bounding-set=-all --inh-caps=-all "$@"`;
    const deno = [Deno.execPath(), "run", "--no-check", "--frozen", "--allow-all", child, folder];
    const { stdout, stderr, success } = await new Deno.Command("unshare", {
      args: ["-m", "sh", "-c", script, "sh", ...deno],
    }).output();
    assert.ok(success, new TextDecoder().decode(stderr));
    const { pid, rows }: { pid: number; rows: Row[] } = JSON.parse(
      new TextDecoder().decode(stdout),
    );
    assert.deepEqual(rows.map(({ tgid }) => tgid), [String(pid)], "it may see itself only");
    assert.ok(Number(rows[0]!["fd_count"]) > 0 && Number(rows[0]!["rchar_bytes"]) > 0);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("system_proc goes on while processes come and go", async () => {
  using ends = new DisposableStack();
  const tasks = await bpfTasks(ends);
  const code = "while :; do /bin/true; done";
  await withProgram(["sh", "-c", code], async () => {
    using viaBpf = new Rig({ proc_name: ".", smaps_interval: 0 }, { tasks });
    using viaProc = new Rig({ proc_name: ".", smaps_interval: 0 });
    for (let round = 0; round < 30; round++) {
      for (const rig of [viaBpf, viaProc]) {
        const rows = rig.tick();
        assert.ok(rows.some(({ tgid }) => tgid === String(Deno.pid)));
        for (const { start_time, comm } of rows) {
          assert.ok(Number(start_time) >= 0 && comm !== undefined);
        }
      }
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  });
});
