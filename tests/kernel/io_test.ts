// SPDX-License-Identifier: MulanPSL-2.0
/** Block devices by the io probe, on a loop device of the test's own, beside /proc/diskstats. */
import assert from "node:assert/strict";
import io from "../../src/probes/io.ts";
import { Shell, TaskRig } from "./task_rig.ts";
import { until } from "../until.ts";
import { TestCgroup } from "./test_cgroup.ts";

const WRITES = 101;
const READS = 67;
const FLUSHES = 53;
const BLOCK = 4096;
const TABLES = ["block", "io_latency_histogram", "io_count", "io_err", "proc_io", "thread_io"];

async function output(command: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, { args }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout).trim();
}

/** A loop device over a file of 4 MiB. */
class LoopDevice implements AsyncDisposable {
  private constructor(readonly path: string, readonly file: string) {}

  static async make(dir = "/dev/shm"): Promise<LoopDevice> {
    const file = await Deno.makeTempFile({ dir });
    await Deno.truncate(file, 4 * 1024 * 1024);
    return new LoopDevice(await output("losetup", "--find", "--show", file), file);
  }

  get name(): string {
    return this.path.replace("/dev/", "");
  }

  /** Reads, writes and flushes that the kernel has counted. */
  stats(): {
    reads: number;
    writes: number;
    flushes: number;
    read_bytes: number;
    write_bytes: number;
  } {
    const line = Deno.readTextFileSync("/proc/diskstats").split("\n")
      .map((each) => each.trim().split(/\s+/)).find((words) => words[2] === this.name)!;
    const number = (field: number) => Number(line[field]);
    return {
      reads: number(3),
      read_bytes: number(5) * 512,
      writes: number(7),
      write_bytes: number(9) * 512,
      flushes: number(18),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await output("losetup", "--detach", this.path);
    await Deno.remove(this.file);
  }
}

/** A kernel with loop devices in a module that nobody has loaded has none. */
const hasLoop = new Deno.Command("losetup", { args: ["--find"] }).outputSync().success;
if (!hasLoop) console.log("This host has no loop devices");

function testOnLoop(name: string, test: () => Promise<void>): void {
  Deno.test({ name, ignore: !hasLoop, fn: test });
}

testOnLoop(
  "io counts 101 writes, 67 reads and 53 flushes of a loop device, as /proc/diskstats does",
  async () => {
    await using loop = await LoopDevice.make();
    await using shell = new Shell();
    await using rig = await TaskRig.start(io, {
      tables: TABLES,
      settings: { observe_names: "dd" },
    });
    await shell.run(":");
    const before = loop.stats();
    const dd = "dd status=none bs=4096";
    await shell.run(`${dd} if=/dev/zero of=${loop.path} count=${WRITES} oflag=direct`);
    await shell.run(`${dd} if=${loop.path} of=/dev/null count=${READS} iflag=direct`);
    await shell.run(
      `perl -e 'use IO::Handle; open $f, "+<", "${loop.path}"; $f->sync for 1..${FLUSHES}'`,
    );
    await until("flushes completed", () => loop.stats().flushes - before.flushes >= FLUSHES);
    await rig.read();
    const now = loop.stats();
    const disk = { disk_name: loop.name, major: 7 };
    const row = rig.row("block", { ...disk, blk_type: "loop" });
    assert.equal(row.count_latency_flush, FLUSHES);
    assert.equal(row.count_latency_flush, now.flushes - before.flushes);
    assert.equal(
      row.count_latency_req,
      // An fsync without data counts there as a write, and never is a request to the device.
      now.reads - before.reads + now.writes - before.writes - FLUSHES,
    );
    assert.equal(row.count_latency_req, WRITES + READS);
    for (const stage of ["driver", "device"]) {
      assert.equal(row[`count_latency_${stage}`], row.count_latency_req);
    }
    const parts = row.latency_driver_sum! + row.latency_device_sum!;
    assert.ok(
      Math.abs(parts - row.latency_req_sum!) < 1e-3,
      `${parts} of ${row.latency_req_sum} us`,
    );
    assert.ok(row.latency_req_max! <= row.latency_req_sum! && row.latency_req_max! > 0);
    assert.ok(row.latency_req_jitter! <= row.latency_req_max!);
    const whole = rig.histogram("io_latency_histogram", "request_seconds", disk);
    assert.equal(whole.count, row.count_latency_req);
    assert.ok(Math.abs(whole.sum * 1e6 - row.latency_req_sum!) < 1e-3);
    const { read_bytes, write_bytes } = rig.row("io_count", disk);
    assert.equal(write_bytes, WRITES * BLOCK);
    assert.equal(read_bytes, now.read_bytes - before.read_bytes);
    assert.equal(rig.row("io_err", disk).err_count, 0);
    const threads = [...rig.rows("thread_io", { comm: "dd" }).values()];
    const ofReader = threads.filter(({ bio_bytes_read }) => bio_bytes_read === READS * BLOCK);
    assert.deepEqual(ofReader.map(({ bio_bytes_write }) => bio_bytes_write), [0]);
    // The kernel may look for partitions on a device that is opened, in the name of whoever opens it.
    assert.ok(threads.some(({ bio_bytes_write }) => bio_bytes_write === WRITES * BLOCK));
    const of = [...rig.rows("proc_io", { comm: "dd" }).values()];
    assert.deepEqual(of.map((each) => each.greater_4k_io_write).sort(), [0, WRITES].sort());
    await rig.read();
    assert.equal(rig.row("block", disk).latency_req_max, 0, "a maximum holds for a period");
    assert.equal(rig.row("block", disk).latency_req_sum, row.latency_req_sum);
  },
);

testOnLoop("io times the bios of a container and of the host", async () => {
  const id = crypto.randomUUID().replaceAll("-", "").repeat(2);
  const container_id = id.slice(0, 12);
  await using loop = await LoopDevice.make();
  using cgroup = TestCgroup.of("cpuacct", id);
  const tables = [
    "sli_io_container_gauge",
    "sli_io_container_histogram",
    "sli_io_node_gauge",
    "sli_io_node_histogram",
  ];
  await using rig = await TaskRig.start(io, { tables });
  {
    await using shell = new Shell();
    await Deno.writeTextFile(`${cgroup.path}/cgroup.procs`, String(shell.pid));
    await shell.run(
      `dd if=${loop.path} of=/dev/null bs=4096 count=${READS} iflag=direct status=none`,
    );
    await rig.read();
  }
  const { count, sum } = rig.histogram("sli_io_container_histogram", "bio_latency_histo", {
    container_id,
  });
  assert.equal(count, READS);
  assert.equal(rig.row("sli_io_container_gauge", { container_id }).bio_latency, sum);
  const node = rig.histogram("sli_io_node_histogram", "bio_latency_histo");
  assert.ok(node.count >= READS && node.sum >= sum);
});

/** A file system without room for a file's content. */
class FullFolder implements AsyncDisposable {
  private constructor(readonly path: string) {}

  static async mount(): Promise<FullFolder> {
    const path = await Deno.makeTempDir({ dir: "/dev/shm" });
    await output("mount", "-t", "tmpfs", "-o", "size=64k", "none", path);
    const full = new FullFolder(path);
    await Deno.writeFile(`${path}/full`, new Uint8Array(64 * 1024));
    return full;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await output("umount", this.path);
    await Deno.remove(this.path);
  }
}

testOnLoop("io counts failed requests, with the error", async () => {
  await using folder = await FullFolder.mount();
  await using loop = await LoopDevice.make(folder.path);
  await using rig = await TaskRig.start(io, { tables: TABLES });
  const args = ["if=/dev/zero", `of=${loop.path}`, "bs=4096", "count=1", "oflag=direct"];
  const { success, stderr } = await new Deno.Command("dd", { args, env: { LC_ALL: "C" } }).output();
  assert.ok(!success);
  await rig.read();
  // Older loop devices know one error only.
  const isNamed = new TextDecoder().decode(stderr).includes("No space left on device");
  const [last_error, code] = isNamed ? ["ENOSPC", 28] as const : ["EIO", 5] as const;
  const { err_count, err_code } = rig.row("io_err", { disk_name: loop.name, last_error });
  assert.deepEqual({ err_count, err_code }, { err_count: 1, err_code: code });
});

testOnLoop("io counts pages of the cache by process and disk", async () => {
  await using loop = await LoopDevice.make();
  await using shell = new Shell();
  await using rig = await TaskRig.start(io, { tables: ["io_pagecache", "proc_page", "io_count"] });
  await shell.run(`dd status=none if=${loop.path} of=/dev/null bs=4096 count=1 iflag=direct`);
  const pages = 211;
  await shell.run(
    `dd status=none if=/dev/zero of=${loop.path} bs=4096 count=${pages} conv=notrunc; ` +
      `sync ${loop.path}`,
  );
  await rig.read();
  const disk = rig.row("io_pagecache", { disk_name: loop.name });
  assert.ok(disk.mark_page_dirty! >= pages, `${disk.mark_page_dirty} pages dirtied`);
  assert.ok(disk.load_page_cache! >= pages, `${disk.load_page_cache} pages loaded`);
  const dd = [...rig.rows("proc_page", { comm: "dd" }).values()];
  assert.equal(dd.reduce((sum, row) => sum + row.mark_page_dirty!, 0), pages);
});

Deno.test("io counts SCSI errors where the kernel tells them, and else leaves the table out", async () => {
  await using rig = await TaskRig.start(io, { tables: ["block", "block_iscsi"] });
  const verdicts = rig.running.hooks!().filter(({ program }) => program.startsWith("io_scsi"));
  assert.equal(verdicts.length, 2);
  const attached = verdicts.every(({ state }) => state === "attached");
  assert.equal([...rig.store.tables].some(({ name }) => name === "block_iscsi"), attached);
  if (!attached) assert.match(verdicts[0]!.reason!, /this kernel has no "tp_btf\/scsi_dispatch/);
});
