// SPDX-License-Identifier: MulanPSL-2.0
/** How the compiled program ends: asked to, or killed; nothing of it stays in the kernel or among the processes. */
import assert from "node:assert/strict";
import { heldBy, type Ids, stillThere } from "../held_in_kernel.ts";
import { alive, descendants, type Process } from "./holdings.ts";
import { type Agent, BINARY, EXAMPLE, until, withAgent, withFolder } from "./run_agent.ts";

/** What issue and README promise. */
const END_MS = 2000;

/** What a running agent has: its links and programs, and its children with theirs. */
async function possessions(agent: Agent): Promise<{ held: Ids; children: Process[] }> {
  for (const probe of ["tcp", "example"]) {
    await until(
      `${probe} runs`,
      () => agent.log().includes(`Probe "${probe}" runs`) || undefined,
    );
  }
  // The script and the pause it waits for.
  const children = await until("children", () => {
    const found = descendants(agent.pid);
    return found.length >= 2 ? found : undefined;
  });
  const held = heldBy(agent.pid);
  const links = [...held].filter((id) => id.startsWith("link"));
  assert.ok(links.length >= 3, `holds ${[...held]}`);
  assert.deepEqual(await stillThere(held), [...held]);
  return { held, children };
}

async function allGone(children: Process[], held: Ids): Promise<void> {
  await until("no child", () => alive(children).length === 0 || undefined, END_MS);
  await until("no link, no program", async () => {
    return (await stillThere(held)).length === 0 || undefined;
  });
}

const EXTENDED = { extend_probes: [{ name: "example", command: EXAMPLE, param: "600" }] };

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  Deno.test(`gala-gopher ends with 0 within 2 s of ${signal} and leaves nothing`, async () => {
    await withAgent({ settings: EXTENDED }, async (agent) => {
      const { held, children } = await possessions(agent);
      const { code, ms } = await agent.end(signal);
      assert.equal(code, 0, agent.log());
      assert.ok(ms < END_MS, `took ${ms} ms`);
      await allGone(children, held);
    });
  });
}

Deno.test("gala-gopher killed with SIGKILL leaves no link, no program and no child", async () => {
  await withAgent({ settings: EXTENDED }, async (agent) => {
    const { held, children } = await possessions(agent);
    await agent.end("SIGKILL");
    await allGone(children, held);
  });
});

Deno.test("gala-gopher ends within 2 s though a probe is deaf to SIGTERM", async () => {
  await withFolder(async (folder) => {
    const command = `${folder}/deaf.sh`;
    await Deno.writeTextFile(command, "#!/bin/sh\ntrap '' TERM INT\necho deaf >&2\nsleep 600\n");
    await Deno.chmod(command, 0o755);
    await Deno.copyFile(EXAMPLE.replace(/sh$/, "meta"), `${folder}/deaf.meta`);
    const settings = { probes: [], extend_probes: [{ name: "deaf", command }] };
    await withAgent({ settings }, async (agent) => {
      const children = await until("the probe and its pause", () => {
        const found = descendants(agent.pid);
        return found.length >= 2 ? found : undefined;
      });
      const { code, ms } = await agent.end("SIGTERM");
      assert.equal(code, 0, agent.log());
      assert.ok(ms < END_MS, `took ${ms} ms`);
      await until("no child", () => alive(children).length === 0 || undefined, END_MS);
    });
  });
});

Deno.test("gala-gopher doctor is ended by SIGTERM at once, as any other program", async () => {
  const child = new Deno.Command(BINARY, { args: ["doctor"], stdout: "null", stderr: "null" })
    .spawn();
  await until(
    "it loads programs",
    () => Deno.readTextFileSync(`/proc/${child.pid}/maps`).includes("libbpf") || undefined,
  );
  child.kill("SIGTERM");
  assert.equal((await child.status).signal, "SIGTERM");
});
