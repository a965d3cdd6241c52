// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { type QuietPipe, QuietPipes } from "./quiet_pipes.ts";

function sh(script: string): Deno.ChildProcess {
  return new Deno.Command("/bin/sh", {
    args: ["-c", script],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

async function readAll(pipe: QuietPipe): Promise<string> {
  const buffer = new Uint8Array(1000);
  let text = "";
  for (;;) {
    const count = pipe.read(buffer);
    if (count === 0) return text;
    if (count > 0) text += new TextDecoder().decode(buffer.subarray(0, count));
    else await new Promise((done) => setTimeout(done, 1));
  }
}

async function end(child: Deno.ChildProcess): Promise<void> {
  await child.stderr.cancel();
  await child.stdin.close();
  await child.status;
}

Deno.test("QuietPipes read the stdout of a child, all of it, beside that of another one", async () => {
  using pipes = new QuietPipes();
  const children = [sh("read -r x; echo one $x; echo not this >&2"), sh("read -r x; echo two $x")];
  const read = children.map(({ pid }) => pipes.stdoutOf(pid)!);
  await Promise.all(children.map(({ stdout }) => stdout.cancel()));
  assert.equal(read[0]!.read(new Uint8Array(10)), -1, "nothing yet");
  for (const { stdin } of children) {
    const writer = stdin.getWriter();
    await writer.write(new TextEncoder().encode("told\n"));
    writer.releaseLock();
  }
  assert.deepEqual(await Promise.all(read.map(readAll)), ["one told\n", "two told\n"]);
  for (const pipe of read) {
    pipe.close();
    pipe.close();
    assert.equal(pipe.read(new Uint8Array(10)), 0);
  }
  await Promise.all(children.map(end));
});

Deno.test("QuietPipes find nothing for a process that is gone or prints to no pipe", async () => {
  using pipes = new QuietPipes();
  const child = new Deno.Command("/bin/cat", { stdin: "piped", stdout: "null", stderr: "piped" })
    .spawn();
  assert.equal(pipes.stdoutOf(child.pid), undefined);
  await end(child);
  assert.equal(pipes.stdoutOf(child.pid), undefined);
});

Deno.test("QuietPipes leave no writer waiting for a reader that has gone", async () => {
  using pipes = new QuietPipes();
  const child = sh("read -r x; yes");
  const pipe = pipes.stdoutOf(child.pid)!;
  await child.stdout.cancel();
  pipe.close();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode("\n"));
  await child.stderr.cancel();
  assert.equal((await child.status).success, false, "it met a broken pipe");
  await writer.close().catch((error) => assert.ok(error instanceof Deno.errors.BrokenPipe));
});
