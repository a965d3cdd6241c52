// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { mutate, randomNumbers } from "../../tests/mutate.ts";
import { fixture, mountAnswers, runWaiting, waitOnHost } from "../../tests/run_probe.ts";
import { Unsupported } from "../core/errors.ts";
import type { MountAnswer, MountSize } from "../core/probe.ts";
import systemFs from "./system_fs.ts";

const SIZE: MountSize = {
  blockBytes: 4096,
  blocks: 1000,
  freeBlocks: 400,
  availableBlocks: 350,
  inodes: 200,
  freeInodes: 149,
};
const known = (size: Partial<MountSize> = {}): MountAnswer => (
  { state: "known", size: { ...SIZE, ...size } }
);
const LINE = "36 35 98:0 / /mnt rw - ext3 /dev/root rw\n";

Deno.test("system_df and fs_df report one reading under the names of both states", async () => {
  const rows = await runWaiting(systemFs, fixture("proc-4.19"), mountAnswers(() => known()));
  const values = { IUsed: 51, IFree: 149, IUsePer: 26, Used: 2400, Free: 1400, UsePer: 64 };
  assert.deepEqual(rows["system_df"]!.map((row) => row["MountOn"]), [
    "/",
    "/run",
    "/boot",
    "/mnt/my data",
    "/mnt/auto",
  ]);
  assert.deepEqual(rows["system_df"]![2], {
    MountOn: "/boot",
    File_sys: "/dev/sda1",
    Inodes: "200",
    Blocks: "4000",
    ...values,
  });
  assert.deepEqual(rows["fs_df"]![2], {
    MountOn: "/boot",
    MountStatus: "ro",
    Fsname: "/dev/sda1",
    Fstype: "ext4",
    Inodes: "200",
    Blocks: "4000",
    ...values,
  });
});

Deno.test("system_mount reports bytes, whether it can be written, and that it answers", async () => {
  const rows = await runWaiting(systemFs, fixture("proc-4.19"), mountAnswers(() => known()));
  assert.deepEqual(rows["system_mount"]![4], {
    mount_point: "/mnt/auto",
    device: "//files/share",
    fs_type: "cifs",
    size_bytes: 4096000,
    free_bytes: 1638400,
    available_bytes: 1433600,
    inodes: 200,
    free_inodes: 149,
    read_only: 1,
    stalled_seconds: 0,
  });
});

Deno.test("system_fs shows a stalled mount as such and without sizes, and goes on with the others", async () => {
  const calls = mountAnswers(({ path }) =>
    path === "/mnt/my data" ? { state: "stalled", seconds: 65 } : known()
  );
  const rows = await runWaiting(systemFs, fixture("proc-4.19"), calls);
  assert.equal(rows["fs_df"]!.length, 4);
  assert.deepEqual(rows["system_mount"]![3], {
    mount_point: "/mnt/my data",
    device: "nas.example.com:/export/my data",
    fs_type: "nfs4",
    read_only: 0,
    stalled_seconds: 65,
  });
});

Deno.test("system_fs leaves out what has no space, and the share of inodes that are not counted", async () => {
  const files = { "proc/self/mountinfo": LINE };
  const none = await runWaiting(systemFs, files, mountAnswers(() => known({ blocks: 0 })));
  assert.deepEqual(none, { system_df: [], fs_df: [], system_mount: [] });
  const calls = mountAnswers(() => known({ inodes: 0, freeInodes: 0, blockBytes: 512 }));
  const rows = await runWaiting(systemFs, files, calls);
  assert.equal(rows["fs_df"]![0]!["IUsePer"], undefined);
  assert.equal(rows["fs_df"]![0]!["Used"], 300);
});

Deno.test("system_fs sees mounts that come and change, and labels follow", async () => {
  const readings = [
    LINE,
    LINE.replaceAll("rw", "ro"),
    `${LINE}37 35 98:1 / /b rw - xfs /dev/b rw\n`,
  ]
    .map((text) => ({ "proc/self/mountinfo": text }));
  const all = mountAnswers(() => known());
  const second = await runWaiting(systemFs, readings.slice(0, 2), all);
  assert.deepEqual(second["fs_df"]!.map((row) => row["MountStatus"]), ["ro"]);
  const third = await runWaiting(systemFs, readings, all);
  assert.deepEqual(third["fs_df"]!.map((row) => row["MountOn"]), ["/mnt", "/b"]);
});

Deno.test("system_fs asks no mount that a container engine made, nor more than it may", async () => {
  let asked = 0;
  const calls = mountAnswers(({ path }) => {
    assert.ok(!path.startsWith("/var/lib/docker"), path);
    asked++;
    return known();
  });
  await runWaiting(systemFs, fixture("proc-4.19"), calls);
  assert.equal(asked, 5);
  const many = Array.from({ length: 600 }, (_, i) => `1 0 0:${i} / /m${i} rw - xfs /dev/x rw\n`);
  const rows = await runWaiting(systemFs, { "proc/self/mountinfo": many.join("") }, calls);
  assert.equal(rows["fs_df"]!.length, 512);
});

Deno.test("system_fs is unsupported without mountinfo", async () => {
  await assert.rejects(() => runWaiting(systemFs, {}), Unsupported);
});

Deno.test("system_fs survives spoilt files", async () => {
  const random = randomNumbers(7);
  const texts = ["proc-4.19", "proc-6.12"].map((name) => fixture(name)["proc/self/mountinfo"]!);
  const readings = Array.from({ length: 10_000 }, (_, round) => (
    { "proc/self/mountinfo": mutate(texts[round % texts.length]!, random) }
  ));
  const calls = mountAnswers(({ path }) => {
    assert.match(path, /^\//);
    return known();
  });
  await runWaiting(systemFs, readings, calls);
});

Deno.test("system_fs shows this host's root file system", async () => {
  const rows = await waitOnHost(systemFs);
  const root = rows["system_mount"]!.find((row) => row["mount_point"] === "/");
  assert.ok(Number(root!["size_bytes"]) > 0);
  assert.equal(root!["stalled_seconds"], 0);
});
