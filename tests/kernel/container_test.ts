// SPDX-License-Identifier: MulanPSL-2.0
/** The container probe on cgroups and network namespaces of the running kernel, made by the test: one for each layout. */
import assert from "node:assert/strict";
import type { HostCalls } from "../../src/core/probe.ts";
import container from "../../src/probes/container.ts";
import { LibcHostCalls } from "../../src/sys/host_calls.ts";
import { RootFiles } from "../../src/sys/host_files.ts";
import { startNative } from "../../src/sys/native_runner.ts";
import { firstLine, hasHierarchies, TestContainer } from "../cgroups.ts";
import { newStore, NO_CALLS, type Row, settingsOf, storeRows } from "../run_probe.ts";

const V1 = ["cpu", "cpuacct", "memory", "blkio", "pids"];
/** Keeps some 20 MB, uses some CPU time, says so, and waits for its input to end. */
const WORKLOAD = `x=$(head -c 20000000 /dev/zero | tr '\\0' x)
for ((i = 0; i < 100000; i++)); do :; done
echo ready
read -r`;

class Rig implements Disposable {
  constructor(readonly calls: HostCalls = NO_CALLS) {}

  now = 0;
  readonly files = new RootFiles({ clock: () => this.now });
  /** The last question, whose answer must have come before a test ends. */
  asked: Promise<unknown> = Promise.resolve();
  readonly store = newStore();
  readonly #running = startNative(container, {
    store: this.store,
    files: this.files,
    calls: {
      mountSizes: (mounts) => {
        const answers = this.calls.mountSizes(mounts);
        this.asked = answers;
        return answers;
      },
    },
    settings: settingsOf(container, { per_cpu: true }),
  });

  tick(): void {
    this.#running.tick(this.now += 5000);
  }

  /** Rows of a container, by table. */
  rows({ shortId }: TestContainer): Record<string, Row[]> {
    const all = Object.entries(storeRows(this.store)).map(([name, rows]) =>
      [name, rows.filter((row) => row["container_id"] === shortId)] as const
    );
    return Object.fromEntries(all.filter(([, rows]) => rows.length > 0));
  }

  [Symbol.dispose](): void {
    this.#running.stop();
    this.files[Symbol.dispose]();
  }
}

function keyed(text: string, word: string): number {
  const found = new RegExp(`^${word} (\\d+)$`, "m").exec(text)?.[1];
  assert.ok(found !== undefined, `${word} in ${text}`);
  return Number(found);
}

function assertBetween(before: number, value: unknown, after: number): void {
  assert.ok(
    typeof value === "number" && before <= value && value <= after,
    `${before} <= ${value} <= ${after}`,
  );
}

const missing = (names: readonly string[]) => !hasHierarchies(...names);
function layout(name: string, needs: readonly string[], run: () => Promise<void>): void {
  const ignore = missing(needs);
  if (ignore) console.log(`${name}: skipped, this host lacks one of the hierarchies ${needs}`);
  Deno.test({ name, ignore, fn: run });
}

/** Against the files of cgroup v1. The container waits, so nothing changes any more. */
function assertMemory(box: TestContainer, [whole, ...faults]: readonly Row[]): void {
  const memory = Number(box.read("memory", "memory.usage_in_bytes"));
  const stat = box.read("memory", "memory.stat");
  assert.equal(whole!["memory_usage_bytes"], memory);
  assert.equal(whole!["memory_rss"], keyed(stat, "total_rss"));
  assert.ok(Number(whole!["memory_rss"]) > 15e6);
  assert.equal(whole!["memory_failcnt"], 0);
  assert.equal(whole!["memory_working_set_bytes"], memory - keyed(stat, "total_inactive_file"));
  assert.deepEqual(
    faults.map((row) => [row["failure_type"], row["scope"], row["memory_failures_total"]]),
    [
      ["pgfault", "hierarchy", keyed(stat, "total_pgfault")],
      ["pgmajfault", "hierarchy", keyed(stat, "total_pgmajfault")],
      ["pgfault", "container", keyed(stat, "pgfault")],
      ["pgmajfault", "container", keyed(stat, "pgmajfault")],
    ],
  );
}

layout("container of cgroup v1 has the kernel's numbers of all its controllers", V1, async () => {
  await using box = new TestContainer(V1, `gala-gopher-test-${Deno.pid}/kubepods/burstable`);
  box.write("memory", "memory.limit_in_bytes", "104857600");
  box.write("cpu", "cpu.shares", "512");
  box.write("pids", "pids.max", "23");
  const child = box.run(WORKLOAD);
  await firstLine(child);
  using rig = new Rig();
  const usage = () => Number(box.read("cpuacct", "cpuacct.usage")) / 1e9;
  const before = usage();
  rig.tick();
  const after = usage();
  const rows = rig.rows(box);
  const perCpu = rows["container_cpu"]!.filter(({ cpu }) => cpu !== "");
  const sum = perCpu.reduce((all, row) => all + Number(row["cpu_usage_seconds_total"]), 0);
  assertBetween(before - 1e-6, sum, after + 1e-6);
  assert.equal(perCpu[0]!["cpu"], "cpu00");
  const total = rows["container_cpu"]!.find(({ cpu }) => cpu === "")!;
  assert.ok(!("cpu_usage_seconds_total" in total));
  assertBetween(0, total["cpu_load_average_10s"], 1); // it ran a moment ago
  assertBetween(0.01, Number(total["cpu_user_seconds_total"]), after + 0.01);
  assertMemory(box, rows["container_memory"]!);
  const [spec] = rows["container_spec"]!;
  assert.equal(spec!["spec_memory_limit_bytes"], 104857600);
  assert.equal(spec!["spec_cpu_shares"], 512);
  assert.equal(spec!["spec_memory_reservation_limit_bytes"], 0);
  const [pids] = rows["container_pids"]!;
  assert.deepEqual([pids!["processes"], pids!["threads"], pids!["threads_max"]], [1, 1, 23]);
  const states = rows["container_tasks"]!.map((row) => [row["state"], row["tasks_state"]]);
  assert.deepEqual(Object.fromEntries(states), {
    running: 0,
    sleeping: 1,
    stopped: 0,
    uninterruptible: 0,
  });
  const descriptors = [...Deno.readDirSync(`/proc/${child.pid}/fd`)].length;
  assert.equal(rows["container_file"]![0]!["file_descriptors"], descriptors);
  assertBetween(
    Date.now() / 1000 - 60,
    rows["container_start"]![0]!["start_time_seconds"],
    Date.now() / 1000 + 1,
  );
});

/** Rows after some work, whose CPU time is that of cgroup v2. */
async function rowsWithCpuTime(box: TestContainer): Promise<Record<string, Row[]>> {
  await firstLine(box.run(WORKLOAD));
  using rig = new Rig();
  const usage = () => keyed(box.read("", "cpu.stat"), "usage_usec") / 1e6;
  const before = usage();
  rig.tick();
  const rows = rig.rows(box);
  assertBetween(before, rows["container_cpu"]![0]!["cpu_usage_seconds_total"], usage());
  return rows;
}

layout(
  "container of cgroup v2 has the CPU time that is there without controllers",
  [""],
  async () => {
    await using box = new TestContainer(
      [""],
      `gala-gopher-test-${Deno.pid}.slice`,
      (id) => `cri-containerd-${id}.scope`,
    );
    const rows = await rowsWithCpuTime(box);
    assert.equal(rows["container_pids"]![0]!["processes"], 1);
  },
);

const HYBRID = ["memory", "pids", ""];
layout("container of a hybrid host is read from the hierarchy that has it", HYBRID, async () => {
  await using box = new TestContainer(HYBRID, `gala-gopher-test-${Deno.pid}`, (id) => `crio-${id}`);
  const rows = await rowsWithCpuTime(box);
  assert.equal(
    rows["container_memory"]![0]!["memory_usage_bytes"],
    Number(box.read("memory", "memory.usage_in_bytes")),
  );
  assert.equal(rows["container_pids"]![0]!["threads"], 1);
});

layout("container counts what is throttled and killed", V1, async () => {
  await using box = new TestContainer(V1);
  box.write("cpu", "cpu.cfs_quota_us", "4000");
  box.write("cpu", "cpu.cfs_period_us", "20000");
  box.write("memory", "memory.limit_in_bytes", "16777216");
  // A busy host may give it less than its quota for a while. Only the subshell may be killed.
  await firstLine(box.run(`until grep -q '^nr_throttled [1-9]' '${box.path("cpu", "cpu.stat")}'
do for ((i = 0; i < 30000; i++)); do :; done; done
(echo 1000 > /proc/$BASHPID/oom_score_adj; x=$(head -c 60000000 /dev/zero | tr '\\0' x); :) 2>/dev/null
echo ready
read -r`));
  using rig = new Rig();
  // A period may just be ending.
  const before = box.read("cpu", "cpu.stat");
  rig.tick();
  const after = box.read("cpu", "cpu.stat");
  const rows = rig.rows(box);
  const assertCounted = (word: string, value: unknown) =>
    assertBetween(keyed(before, word), value, keyed(after, word));
  const [cfs] = rows["container_cfs"]!;
  assert.equal(cfs!["spec_cpu_quota"], 4000);
  assert.equal(rows["container_spec"]![0]!["spec_cpu_period"], 20000);
  assertCounted("nr_periods", cfs!["cpu_cfs_periods_total"]);
  assertCounted("nr_throttled", cfs!["cpu_cfs_throttled_periods_total"]);
  assert.ok(Number(cfs!["cpu_cfs_throttled_periods_total"]) > 0);
  const [cpu] = rows["container_cpu"]!.filter((row) => row["cpu"] === "");
  const throttled = Number(cpu!["cpu_cfs_throttled_seconds_total"]) * 1e9;
  assertCounted("throttled_time", Math.round(throttled));
  const kills = rows["container_oom"]![0]!["oom_events_total"];
  assert.equal(kills, keyed(box.read("memory", "memory.oom_control"), "oom_kill"));
  assert.ok(Number(kills) >= 1);
  const failures = Number(box.read("memory", "memory.failcnt"));
  assert.ok(failures > 0);
  assert.equal(rows["container_memory"]![0]!["memory_failcnt"], failures);
});

/** 23 frames of 100 bytes from one end to the other, and nothing else. */
const NETWORK = `echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6
ip link add eth0 type veth peer name eth1
ip link set eth0 up
ip link set eth1 up
python3 -c '
import socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("eth0", 0))
for _ in range(23): s.send(b"\\xff" * 12 + b"\\x88\\xb5" + bytes(86))
'
echo ready
read -r`;

layout(
  "container has the traffic of its own network, and a shared one is shown once",
  [""],
  async () => {
    await using first = new TestContainer([""]);
    await using second = new TestContainer([""]);
    await using onHost = new TestContainer([""]);
    const child = first.run(NETWORK, { network: true });
    await firstLine(child);
    await firstLine(
      second.run(`exec nsenter --net=/proc/${child.pid}/ns/net bash -c 'echo in; read'`),
    );
    await firstLine(onHost.run("echo in; read -r"));
    using rig = new Rig();
    rig.tick();
    const rows = rig.rows(first)["container_network"]!;
    const of = (name: string) => rows.find((row) => row["interface"] === name)!;
    assert.deepEqual(rows.map((row) => row["interface"]).sort(), ["eth0", "eth1"]);
    assert.equal(of("eth0")["network_transmit_packets_total"], 23);
    assert.equal(of("eth0")["network_transmit_bytes_total"], 2300);
    assert.equal(of("eth1")["network_receive_packets_total"], 23);
    assert.equal(of("eth1")["network_receive_bytes_total"], 2300);
    assert.equal(of("eth0")["network_receive_bytes_total"], 0);
    assert.deepEqual(Object.keys(rig.rows(second)).includes("container_network"), false);
    assert.deepEqual(Object.keys(rig.rows(onHost)).includes("container_network"), false);
    // The one that had it is gone; the network lives on in the other.
    await first.kill();
    rig.tick();
    assert.equal(rig.rows(second)["container_network"]?.length, 2);
  },
);

layout("container shows the size of the file system that its root is on", [""], async () => {
  await using box = new TestContainer([""]);
  const folder = await Deno.makeTempDir();
  try {
    // A root of its own: 8 MiB and 1,000 inodes.
    const child = box.run(
      `mount -t tmpfs -o size=8m,nr_inodes=1000 tmpfs '${folder}'
cd '${folder}' && mkdir bin lib lib64 usr && head -c 1M /dev/zero > written
for name in bin lib lib64 usr; do mount --rbind /$name $name; done
exec chroot . /bin/bash -c 'echo in; read -r'`,
      { mounts: true },
    );
    await firstLine(child);
    using calls = new LibcHostCalls();
    using rig = new Rig(calls);
    rig.tick();
    // The answer comes from another thread, one of the next ticks shows it.
    while (rig.rows(box)["container_fs"] === undefined) {
      await new Promise((done) => setTimeout(done, 5));
      rig.tick();
    }
    const [row] = rig.rows(box)["container_fs"]!;
    assert.equal(row!["fs_limit_bytes"], 8 * 1024 * 1024);
    assert.equal(row!["fs_usage_bytes"], 1024 * 1024);
    assert.equal(row!["fs_inodes_total"], 1000);
    assertBetween(980, row!["fs_inodes_free"], 1000);
    await rig.asked;
  } finally {
    await box.kill();
    await Deno.remove(folder);
  }
});

layout("container that has ended loses its rows, and its files are closed", V1, async () => {
  await using box = new TestContainer(V1);
  await using other = new TestContainer(V1);
  await firstLine(box.run("echo in; read -r"));
  await firstLine(other.run("echo in; read -r"));
  using rig = new Rig();
  rig.tick();
  assert.ok(Object.keys(rig.rows(box)).length >= 8);
  const kept = rig.files.kept;
  await box.kill();
  for (let seconds = 0; seconds <= 130; seconds += 5) {
    rig.tick();
    rig.store.sweep(rig.now);
  }
  assert.deepEqual(rig.rows(box), {});
  assert.ok(rig.files.kept <= kept - 8, `${rig.files.kept} of ${kept} are still open`);
  assert.ok(Object.keys(rig.rows(other)).length >= 8);
});

layout("container that is born between two readings is seen in the second", [""], async () => {
  using rig = new Rig();
  rig.tick();
  await using box = new TestContainer([""]);
  await firstLine(box.run("echo in; read -r"));
  rig.tick();
  assert.equal(rig.rows(box)["container_pids"]?.[0]?.["processes"], 1);
});
