// SPDX-License-Identifier: MulanPSL-2.0
/** A mount whose server stops answering: it loses its row, and nothing else is held up. */
import assert from "node:assert/strict";
import { Store } from "../../src/core/store.ts";
import type { Table } from "../../src/core/table.ts";
import systemFs from "../../src/probes/system_fs.ts";
import { LibcHostCalls } from "../../src/sys/host_calls.ts";
import { RootFiles } from "../../src/sys/host_files.ts";
import { startNative } from "../../src/sys/native_runner.ts";
import { settingsOf } from "../run_probe.ts";
import { BLOCK_BYTES, BLOCKS, FREE_BLOCKS, FuseMount } from "./fuse_mount.ts";
import { tableRows } from "../table_rows.ts";

const TIMEOUT_MS = 10_000;
const TICK_MS = 5000;

const threads = () => [...Deno.readDirSync("/proc/self/task")].length;

/** Path to when the row was renewed, and its size. */
function rows(table: Table, metric: string): Map<string, { renewed: number; value: number }> {
  return new Map([...tableRows(table)].map(({ slot, labels }) => {
    const path = /"([^"]*)"/.exec(labels)![1]!;
    const value = table.get(slot, table.column(metric));
    return [path, { renewed: table.renewedAt(slot), value }];
  }));
}

Deno.test("a FUSE mount that hangs loses its row and takes one thread; all else goes on", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await using fuse = new FuseMount(folder);
    using files = new RootFiles();
    using calls = new LibcHostCalls();
    const limits = { maxTables: 8, maxRows: 1000, maxFields: 64, timeoutMs: TIMEOUT_MS };
    const store = new Store(limits, {});
    const running = startNative(systemFs, { store, files, calls, settings: settingsOf(systemFs) });
    const [df, , mounts] = [...store.tables];
    let now = 0;
    const tick = async () => {
      now += TICK_MS;
      await running.tick(now);
      store.sweep(now);
    };

    await tick();
    assert.equal(rows(df!, "Used").get(folder)?.value, (BLOCKS - FREE_BLOCKS) * BLOCK_BYTES / 1024);

    fuse.hangsFor = Deno.pid;
    await tick();
    await fuse.asked(1);
    const threadsBefore = threads();
    const TICKS = 10;
    for (let ticks = 0; ticks < TICKS; ticks++) {
      await tick();
      assert.equal(rows(df!, "Used").get("/")?.renewed, now, "the root's row goes on");
    }
    assert.equal(rows(df!, "Used").get(folder), undefined, "its row has expired");
    assert.ok(rows(mounts!, "stalled_seconds").get(folder)!.value > 0);
    assert.equal(running.losses?.()["stalled_mounts"], TICKS + 1);
    assert.equal(fuse.count, 1, "it was not asked again");
    assert.ok(threads() - threadsBefore < TICKS / 2, "threads do not pile up");

    fuse.release();
    // The answer has to come through a thread first.
    for (let ticks = 0; ticks < 50 && rows(df!, "Used").get(folder)?.renewed !== now; ticks++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      await tick();
    }
    assert.equal(rows(df!, "Used").get(folder)?.renewed, now, "it is back");
    await tick();
    assert.equal(rows(mounts!, "stalled_seconds").get(folder)?.value, 0);
  } finally {
    await Deno.remove(folder);
  }
});
