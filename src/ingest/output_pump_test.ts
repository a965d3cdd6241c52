// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { streamOutput } from "./output.ts";
import { pumpOutput } from "./output_pump.ts";
import { ReadingTurns } from "./reading_turns.ts";

function sh(script: string): Deno.ChildProcess {
  return new Deno.Command("/bin/sh", { args: ["-c", script], stdout: "piped" }).spawn();
}

Deno.test("pumpOutput gathers lines that come one by one, and loses none", async () => {
  const child = sh("for i in 1 2 3 4 5 6 7 8 9 10; do echo $i; sleep 0.02; done");
  const chunks: string[] = [];
  const pump = pumpOutput(streamOutput(child.stdout), {
    chunkBytes: 65536,
    turns: new ReadingTurns(),
    take: (chunk) => chunks.push(new TextDecoder().decode(chunk)),
  });
  await pump.done;
  await child.status;
  assert.equal(chunks.join(""), "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n");
  assert.ok(chunks.length <= 5, `${chunks.length} wake-ups`);
});

Deno.test("pumpOutput does not hold up a fast writer of small pieces", async () => {
  const bytes = 4_000_000;
  const child = sh(`dd if=/dev/zero bs=100 count=${bytes / 100} 2>/dev/null`);
  let taken = 0;
  const started = performance.now();
  const pump = pumpOutput(streamOutput(child.stdout), {
    chunkBytes: 65536,
    turns: new ReadingTurns(),
    take: (chunk) => taken += chunk.length,
  });
  await pump.done;
  await child.status;
  assert.equal(taken, bytes);
  // Pauses of the longest kind between full pipes would make it 15 s.
  assert.ok(performance.now() - started < 8000);
});

Deno.test("pumpOutput wakes up from its pause to end", async () => {
  const child = sh("echo a; exec sleep 4711");
  const taken = Promise.withResolvers<void>();
  const pump = pumpOutput(streamOutput(child.stdout), {
    chunkBytes: 65536,
    turns: new ReadingTurns(),
    take: () => taken.resolve(),
  });
  await taken.promise;
  pump.hurry();
  await pump.cancel();
  await pump.done;
  child.kill("SIGKILL");
  await child.status;
});
