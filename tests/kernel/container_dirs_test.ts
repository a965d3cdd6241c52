// SPDX-License-Identifier: MulanPSL-2.0
/** The container_dirs probe on a container of the test, whose root is a file system of its own. */
import assert from "node:assert/strict";
import containerDirs from "../../src/probes/container_dirs.ts";
import { ProcessTable } from "../../src/core/process_table.ts";
import { LibcHostCalls } from "../../src/sys/host_calls.ts";
import { RootFiles } from "../../src/sys/host_files.ts";
import { startNative } from "../../src/sys/native_runner.ts";
import { until } from "../e2e/run_agent.ts";
import { hasHierarchies, TestContainer } from "../cgroups.ts";
import { newStore, settingsOf, storeRows } from "../run_probe.ts";

const HIERARCHY = hasHierarchies("") ? "" : "memory";
/** Made before its root becomes the root, and then written to by somebody inside. */
const script = (folder: string) =>
  `mount -t tmpfs tmpfs '${folder}'
cd '${folder}' && mkdir -p bin lib lib64 usr data/deep && head -c 5000 /dev/zero > data/deep/old
for name in bin lib lib64 usr; do mount --rbind /$name $name; done
exec chroot . /bin/bash -c 'echo in; read -r; printf %060000d 1 > /data/deep/new; echo out; read -r'`;

Deno.test("container_dirs tells how much a container wrote into a folder that only it sees", async () => {
  await using box = new TestContainer([HIERARCHY]);
  using files = new RootFiles();
  using calls = new LibcHostCalls();
  const folder = await Deno.makeTempDir();
  const store = newStore();
  // An hour between two looks, so that what they take themselves does not matter.
  let now = 0;
  const processes = new ProcessTable(files, { clock: () => now });
  const settings = settingsOf(containerDirs, { dirs: "/data/deep,/none" });
  const running = startNative(containerDirs, { store, files, calls, processes, settings });
  const look = async (wanted: boolean) => {
    running.tick(now += 3_600_000);
    return await until("the folder", () => {
      running.tick(now);
      const rows = storeRows(store)["system_con_io"]!
        .filter((row) => row["container_id"] === box.shortId);
      return rows.length === 1 && (rows[0]!["write_rate"] !== undefined) === wanted
        ? rows[0]
        : undefined;
    });
  };
  try {
    const child = box.run(script(folder), { mounts: true });
    const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    assert.equal((await lines.read()).value, "in\n");
    assert.equal((await look(false))["dir"], "/data/deep");
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode("\n"));
    assert.equal((await lines.read()).value, "out\n");
    // The folder itself is 20 bytes larger for each name on a tmpfs.
    const grown = Number((await look(true))["write_rate"]) * 3600;
    assert.ok(grown >= 59_999 && grown <= 60_100, `${grown} bytes`);
    writer.releaseLock();
    await lines.cancel();
    lines.releaseLock();
  } finally {
    running.stop();
    await box.kill();
    await Deno.remove(folder);
  }
});
