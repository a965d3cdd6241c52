// SPDX-License-Identifier: MulanPSL-2.0
/** The whole program beside a mount whose server has stopped answering. */
import assert from "node:assert/strict";
import { FuseMount } from "../kernel/fuse_mount.ts";
import { type Agent, until, withAgent, withFolder } from "./run_agent.ts";

Deno.test("gala-gopher serves all else while a mount hangs, says so, and stops in time", async () => {
  await withFolder(async (folder) => {
    await using fuse = new FuseMount(folder);
    const settings = { ingress: { interval: 0.2 }, imdb: { record_timeout: 1 } };
    await withAgent({ settings }, async (agent) => {
      try {
        await beside(fuse, agent);
        // A thread that waits for the server of a FUSE file system cannot be killed, so the process is reaped only
        // when that answers; by then it has let go of everything else, and its successor can start.
        const ended = agent.end("SIGTERM");
        await until("its port to be free", () => canListen(agent.port), 2000);
        fuse.release();
        const { code } = await ended;
        assert.equal(code, 0, agent.log());
      } finally {
        fuse.release();
      }
    });
  });
});

async function beside(fuse: FuseMount, agent: Agent): Promise<void> {
  const value = async (metric: string, path: string) =>
    (await agent.rows(`gala_gopher_mount_${metric}`))
      .find(({ labels }) => labels["mount_point"] === path)?.value;
  await until("its size", () => value("size_bytes", fuse.path));
  fuse.hangsFor = agent.pid;
  await until("word that it stalls", async () => {
    return (await value("stalled_seconds", fuse.path))! > 0 || undefined;
  });
  await until("its size to go", async () => {
    return await value("size_bytes", fuse.path) === undefined || undefined;
  });
  assert.ok(await value("size_bytes", "/"), "the others go on");
  assert.equal((await agent.rows("gala_gopher_load_threads")).length, 1);
  const lost = await agent.rows("gala_gopher_agent_probe_lost_total");
  assert.ok(lost.some(({ labels, value }) => labels["reason"] === "stalled_mounts" && value > 0));
}

function canListen(port: number): true | undefined {
  try {
    Deno.listen({ hostname: "127.0.0.1", port }).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return undefined;
    throw error;
  }
}
