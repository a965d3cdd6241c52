// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import { Child } from "./child.ts";
import { Watchdog } from "./watchdog.ts";

Deno.test("Child is cleared without an error though it ended before it could be told anything", async () => {
  await using watchdog = new Watchdog(() => {});
  const child = new Child({ program: "/bin/true", args: [], workingDirectory: "/", watchdog });
  await child.run();
  assert.equal((await child.ended).code, 0);
  child.say("{}");
  await child.stdout.cancel();
  await child.stderr.cancel();
  // Some turns of the event loop, until the write has failed.
  for (let turn = 0; turn < 20; turn++) await setImmediate();
  await child.clear();
});
