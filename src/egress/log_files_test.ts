// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { fileWithBackup, LogFiles, type LogFilesOptions, numberedFiles } from "./log_files.ts";
import { withFolder } from "../../tests/e2e/run_agent.ts";

const encoder = new TextEncoder();

function files(folder: string, options: Partial<LogFilesOptions> = {}): LogFiles {
  return new LogFiles({
    folder,
    naming: numberedFiles("gopher_event"),
    totalBytes: 1000,
    changed: () => {},
    ...options,
  });
}

async function written(log: LogFiles, texts: readonly string[]): Promise<void> {
  for (const text of texts) log.push(encoder.encode(text), 1);
  await log.close();
}

function contents(folder: string): Record<string, string> {
  const names = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
  return Object.fromEntries(
    names.map((name) => [name, Deno.readTextFileSync(`${folder}/${name}`)]),
  );
}

Deno.test("LogFiles begins a file with the next number at the size and goes on there after a restart", () =>
  withFolder(async (folder) => {
    const line = `${"x".repeat(59)}\n`;
    await written(files(folder), [line, line, line]);
    assert.deepEqual(Object.keys(contents(folder)), [
      "gopher_event_1",
      "gopher_event_2",
      "gopher_event_3",
    ]);
    await written(files(folder), ["y\n"]);
    assert.equal(contents(folder).gopher_event_3, `${line}y\n`);
  }));

Deno.test("LogFiles stays below the total by removing the oldest, and leaves other files alone", () =>
  withFolder(async (folder) => {
    Deno.writeTextFileSync(`${folder}/gopher_event_note`, "n".repeat(5000));
    const lines = Array.from({ length: 23 }, (_, i) => `${i}`.padEnd(99, ".") + "\n");
    await written(files(folder), lines);
    const { gopher_event_note: note, ...logs } = contents(folder);
    assert.equal(note!.length, 5000);
    assert.equal(Object.values(logs).join("").length, 1000);
    assert.equal(Object.values(logs).length, 10);
    assert.equal(logs.gopher_event_23, lines[22]);
    assert.equal(logs.gopher_event_14, lines[13]);
  }));

Deno.test("LogFiles keeps one former file where the name has no number", () =>
  withFolder(async (folder) => {
    const log = files(folder, { naming: fileWithBackup("gopher_meta.log"), totalBytes: 200 });
    await written(log, ["a".repeat(80), "b".repeat(80), "c".repeat(80)]);
    assert.deepEqual(contents(folder), {
      "gopher_meta.log": "c".repeat(80),
      "gopher_meta.log.1": "b".repeat(80),
    });
  }));

Deno.test("LogFiles writes to a new file after reopen when the old one was moved away", () =>
  withFolder(async (folder) => {
    const log = files(folder);
    log.push(encoder.encode("one\n"), 1);
    await log.close();
    log.push(encoder.encode("two\n"), 1);
    await log.close();
    await Deno.rename(`${folder}/gopher_event_1`, `${folder}/moved`);
    log.reopen();
    await written(log, ["three\n"]);
    assert.deepEqual(contents(folder), { gopher_event_1: "three\n", moved: "one\ntwo\n" });
  }));

Deno.test("LogFiles counts what its queue cannot hold", () =>
  withFolder(async (folder) => {
    const log = files(folder, { maxQueuedBytes: 8 });
    await written(log, ["12345\n", "lost\n", "1\n"]);
    assert.deepEqual(contents(folder), { gopher_event_1: "12345\n1\n" });
    assert.deepEqual(log.stats, { lines: 2, losses: { queue_full: 1 }, queuedBytes: 0 });
  }));

Deno.test("LogFiles says once that it cannot write, and goes on when it can again", () =>
  withFolder(async (folder) => {
    const said: string[] = [];
    const parent = `${folder}/parent`;
    Deno.writeTextFileSync(parent, "");
    const log = files(`${parent}/logs`, { changed: (text) => said.push(text) });
    await written(log, ["a\n", "b\n"]);
    Deno.removeSync(parent);
    await written(log, ["c\n"]);
    assert.deepEqual(contents(`${parent}/logs`), { gopher_event_1: "c\n" });
    assert.deepEqual(log.stats.losses, { not_written: 2 });
    assert.equal(said.length, 2);
    assert.match(said[0]!, /^Cannot write to .*\/parent\/logs: /);
    assert.match(said[1]!, /^Writes to .*\/parent\/logs again$/);
  }));

async function mount(...args: string[]): Promise<boolean> {
  const { success } = await new Deno.Command(args[0]!, { args: args.slice(1), stderr: "null" })
    .output();
  return success;
}

Deno.test("LogFiles survives a full disk, keeps whole lines only, and goes on when there is room", () =>
  withFolder(async (folder) => {
    if (!await mount("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder)) {
      console.log("skipped: this host lets nobody mount a tmpfs");
      return;
    }
    try {
      const log = files(folder, { totalBytes: 10 << 20 });
      const line = `${"z".repeat(9999)}\n`;
      await written(log, Array<string>(11).fill(line));
      const { gopher_event_1: text } = contents(folder);
      assert.equal(text, line.repeat(log.stats.lines));
      assert.equal(log.stats.lines + log.stats.losses.not_written!, 11);
      assert.ok(log.stats.lines >= 5 && log.stats.losses.not_written! >= 4);
      Deno.truncateSync(`${folder}/gopher_event_1`, 0);
      await written(log, ["room\n"]);
      assert.equal(contents(folder).gopher_event_1, "room\n");
    } finally {
      await mount("umount", folder);
    }
  }));
