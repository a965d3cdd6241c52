// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { createLog, fileSink, type LogLevel, stderrSink } from "./log.ts";

function heardLog(level: LogLevel = "debug") {
  const lines: string[] = [];
  let now = Date.UTC(2026, 0, 1);
  const log = createLog({
    level,
    clock: () => now,
    sink: {
      write: (line) => lines.push(new TextDecoder().decode(line)),
      reopen: () => {},
      [Symbol.dispose]: () => {},
    },
  });
  return { log, lines, pass: (ms: number) => now += ms };
}

Deno.test("createLog writes time, level and text of lines at or above its level", () => {
  const { log, lines } = heardLog("warn");
  for (const level of ["debug", "info", "warn", "error"] as const) log(level, `a ${level}`);
  assert.deepEqual(lines, [
    "2026-01-01T00:00:00.000Z warn a warn\n",
    "2026-01-01T00:00:00.000Z error a error\n",
  ]);
});

Deno.test("createLog holds a repeated line back for a minute, then says how often it came", () => {
  const { log, lines, pass } = heardLog();
  log("info", "same");
  for (let i = 0; i < 7; i++) log("info", "same");
  log("info", "other");
  pass(59_999);
  log("info", "same");
  assert.equal(lines.length, 2);
  pass(1);
  log("info", "same");
  assert.match(lines[2]!, / info same \(and 8 times since it was last said\)\n$/);
  pass(60_000);
  log("info", "same");
  assert.match(lines[3]!, / info same\n$/);
});

Deno.test("createLog says a line again when the clock was set back", () => {
  const { log, lines, pass } = heardLog();
  log("info", "same");
  pass(-86_400_000);
  log("info", "same");
  assert.equal(lines.length, 2);
});

Deno.test("createLog remembers a bounded number of texts", () => {
  const { log, lines } = heardLog();
  for (let i = 0; i <= 512; i++) log("info", `text ${i}`);
  log("info", "text 512");
  assert.equal(lines.length, 513);
  log("info", "text 0");
  assert.equal(lines.length, 514);
});

Deno.test("createLog keeps a line one line, without control characters and of bounded length", () => {
  const { log, lines } = heardLog();
  log("info", "a\nb\r\x1b[31mc\0d\x7fe\x9bf\tü");
  assert.match(lines[0]!, / info a b {2}\[31mc d e f ü\n$/);
  log("info", "x".repeat(100_000));
  assert.equal(lines[1]!.match(/x+/)![0].length, 4096);
});

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

async function inFolder(test: (folder: string) => void): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("fileSink turns a full file over, keeping one old file", () =>
  inFolder((folder) => {
    const path = `${folder}/new/agent.log`;
    {
      using sink = fileSink(path, 10);
      for (const line of ["one\n", "two\n", "three\n", "four\n", "five\n"]) sink.write(bytes(line));
    }
    assert.equal(Deno.readTextFileSync(`${path}.1`), "three\n");
    assert.equal(Deno.readTextFileSync(path), "four\nfive\n");
    {
      using sink = fileSink(path, 10); // goes on with the file that is there
      sink.write(bytes("six\n"));
    }
    assert.equal(Deno.readTextFileSync(`${path}.1`), "four\nfive\n");
    assert.equal(Deno.readTextFileSync(path), "six\n");
    assert.deepEqual([...Deno.readDirSync(`${folder}/new`)].length, 2);
  }));

Deno.test("fileSink writes a line that is longer than the file may be", () =>
  inFolder((folder) => {
    using sink = fileSink(`${folder}/log`, 3);
    sink.write(bytes("longer\n"));
    sink.write(bytes("b\n"));
    assert.equal(Deno.readTextFileSync(`${folder}/log.1`), "longer\n");
    assert.equal(Deno.readTextFileSync(`${folder}/log`), "b\n");
  }));

Deno.test("fileSink goes on when its file is taken away, or its old file cannot be replaced", () =>
  inFolder((folder) => {
    const path = `${folder}/log`;
    using sink = fileSink(path, 4);
    sink.write(bytes("one\n"));
    Deno.removeSync(path);
    sink.write(bytes("two\n"));
    assert.equal(Deno.readTextFileSync(path), "two\n");
    Deno.mkdirSync(`${path}.1/in the way`, { recursive: true });
    sink.write(bytes("lost\n"));
    assert.equal(Deno.readTextFileSync(path), "two\n");
    Deno.removeSync(`${path}.1`, { recursive: true });
    sink.write(bytes("six\n"));
    assert.equal(Deno.readTextFileSync(path), "six\n");
  }));

Deno.test("fileSink opens its file anew when it was moved away and it is told so", () =>
  inFolder((folder) => {
    using sink = fileSink(`${folder}/log`, 100);
    sink.write(bytes("one\n"));
    Deno.renameSync(`${folder}/log`, `${folder}/moved`);
    sink.write(bytes("two\n"));
    sink.reopen();
    sink.write(bytes("three\n"));
    assert.equal(Deno.readTextFileSync(`${folder}/moved`), "one\ntwo\n");
    assert.equal(Deno.readTextFileSync(`${folder}/log`), "three\n");
  }));

Deno.test("fileSink loses lines on a full disk instead of throwing", () => {
  using sink = fileSink("/dev/full", 1000);
  sink.write(bytes("lost\n"));
});

Deno.test("fileSink throws when its file cannot be opened at first", () => {
  assert.throws(() => fileSink("/proc/no/such/log", 10));
});

Deno.test("stderrSink writes whole lines, and loses those that the stream refuses", () => {
  const taken: number[] = [];
  let refuses = false;
  const sink = stderrSink({
    writeSync: (bytes) => {
      if (refuses) throw new Deno.errors.WouldBlock("Resource temporarily unavailable");
      taken.push(bytes[0]!);
      return 1;
    },
  });
  sink.write(new TextEncoder().encode("one\n"));
  refuses = true;
  sink.write(new TextEncoder().encode("two\n"));
  refuses = false;
  sink.write(new TextEncoder().encode("six\n"));
  assert.equal(new TextDecoder().decode(Uint8Array.from(taken)), "one\nsix\n");
});
