// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { Child } from "./child.ts";
import { endsWithin, lives } from "./testing_processes.ts";
import { Watchdog } from "./watchdog.ts";

/** An agent with two children that neither read nor print: one dies of SIGTERM, one ignores it. */
const AGENT = `
  import { Child } from ${JSON.stringify(import.meta.resolve("./child.ts"))};
  import { Watchdog } from ${JSON.stringify(import.meta.resolve("./watchdog.ts"))};
  const watchdog = new Watchdog(console.error);
  const start = (script) => new Child({
    program: "/bin/sh", args: ["-c", script], workingDirectory: "/", watchdog,
  });
  const plain = start("sleep 4711 & sleep 4711");
  const stubborn = start("trap '' TERM; echo ready; while :; do sleep 4711; done");
  const released = start("exec sleep 4711");
  for (const child of [plain, stubborn, released]) await child.run();
  const reader = stubborn.stdout.getReader();
  await reader.read();
  watchdog.release(released.pid);
  await watchdog.told;
  console.log(JSON.stringify([watchdog.pid, released.pid, plain.pid, stubborn.pid]));
`;

Deno.test("Watchdog ends the children of an agent that was killed, and then itself", async () => {
  const agent = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-lock", `${AGENT} await new Promise(() => setInterval(() => {}, 1000));`],
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const reader = agent.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const { value } = await reader.read();
  const [watchdog, released, plain, stubborn] = JSON.parse(value!) as [
    number,
    number,
    number,
    number,
  ];
  try {
    assert.ok([watchdog, released, plain, stubborn].every(lives));
    agent.kill("SIGKILL");
    await agent.status;
    assert.ok(await endsWithin(plain, 2000), "the one that dies of SIGTERM");
    assert.ok(await endsWithin(stubborn, 3000), "the one that ignores SIGTERM");
    assert.ok(await endsWithin(watchdog, 2000), "the watchdog");
    assert.ok(lives(released), "the one that was released is not its business");
  } finally {
    Deno.kill(released, "SIGKILL");
    await reader.cancel();
  }
});

Deno.test("Watchdog is started again when something ends it, and still knows its groups", async () => {
  const restarted = Promise.withResolvers<void>();
  const watchdog = new Watchdog(() => restarted.resolve());
  const options = { program: "/bin/sleep", args: ["4711"], workingDirectory: "/", watchdog };
  const child = new Child(options);
  await child.run();
  const first = watchdog.pid!;
  Deno.kill(first, "SIGKILL");
  await restarted.promise;
  await child.stdout.cancel();
  await child.stderr.cancel();
  while (watchdog.pid === undefined) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.notEqual(watchdog.pid, first);
  // Its pipe closes as it does when the agent dies.
  await watchdog[Symbol.asyncDispose]();
  assert.equal((await child.ended).signal, "SIGTERM");
  await child.clear();
});

Deno.test("Watchdog starts nothing as long as there is nothing to guard", async () => {
  await using watchdog = new Watchdog((text) => assert.fail(text));
  assert.equal(watchdog.pid, undefined);
});
