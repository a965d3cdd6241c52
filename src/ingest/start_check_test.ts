// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { startCheck, type StartCheckOptions } from "./start_check.ts";
import { Watchdog } from "./watchdog.ts";

async function check(command: string, options: Partial<StartCheckOptions> = {}) {
  await using watchdog = new Watchdog((text) => assert.fail(text));
  return await startCheck(command, { workingDirectory: "/", watchdog, ...options });
}

Deno.test("startCheck starts at a first line above 0", async () => {
  assert.deepEqual(await check("printf 'a\\nb\\n' | wc -l"), {
    start: true,
    counted: true,
    reason: "start_check counted 2",
  });
  assert.equal((await check("echo 0")).start, false);
  assert.equal((await check("echo -3; echo 5")).start, false);
  assert.equal((await check("echo ' 7 '; exit 1")).start, true);
});

Deno.test("startCheck says what was printed instead of a number", async () => {
  assert.deepEqual(await check("echo many"), {
    start: false,
    counted: false,
    reason: 'start_check printed no number but "many" (exit code 0)',
  });
  const { start, reason } = await check("/no/such/program");
  assert.equal(start, false);
  assert.match(reason, /no number but ".*not found.*" \(exit code 127\)/);
  assert.equal((await check("true")).start, false);
  assert.equal((await check("echo 1x")).start, false);
});

Deno.test("startCheck reads no more than it needs of an endless output", async () => {
  const { start, reason } = await check("yes 1234567", { timeoutMs: 200 });
  assert.equal(start, false);
  assert.match(reason, /did not end within 200 ms/);
});

Deno.test("startCheck ends a command that hangs, with what it started", async () => {
  const started = performance.now();
  const { start, reason } = await check("trap '' TERM; sleep 4711 & sleep 4711", {
    timeoutMs: 100,
  });
  assert.equal(start, false);
  assert.match(reason, /did not end within 100 ms/);
  assert.ok(performance.now() - started < 3000);
});

Deno.test("startCheck gives the command a closed stdin and a clean environment", async () => {
  Deno.env.set("NOT_FOR_CHILDREN", "1");
  Deno.env.set("GOPHER_HOST_PATH", "/host");
  try {
    const command = 'cat; [ -z "$NOT_FOR_CHILDREN" ] && [ "$GOPHER_HOST_PATH" = /host ] && echo 1';
    const { start, reason } = await check(command);
    assert.deepEqual([start, reason], [true, "start_check counted 1"]);
  } finally {
    Deno.env.delete("NOT_FOR_CHILDREN");
    Deno.env.delete("GOPHER_HOST_PATH");
  }
});
