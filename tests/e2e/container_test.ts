// SPDX-License-Identifier: MulanPSL-2.0
/** The whole program with a container in a cgroup of the test, and a Docker that is a server of the test. */
import assert from "node:assert/strict";
import { firstLine, hasHierarchies, TestContainer } from "../cgroups.ts";
import { until, withAgent, withFolder } from "./run_agent.ts";

const ignore = !hasHierarchies("");
if (ignore) console.log("containers end to end: skipped, this host has no cgroup v2 mounted");

/** A root whose /proc and /sys are the host's, and whose /run is the test's. */
async function makeRoot(folder: string): Promise<string> {
  const root = `${folder}/root`;
  await Deno.mkdir(`${root}/run`, { recursive: true });
  for (const name of ["proc", "sys"]) await Deno.symlink(`/${name}`, `${root}/${name}`);
  return root;
}

const settingsFor = (root: string) => ({
  global: { root },
  ingress: { interval: 0.3 },
  imdb: { record_timeout: 2 },
});

Deno.test({
  name:
    "gala-gopher shows a container with the name that Docker gives it, and drops it when it ends",
  ignore,
  async fn() {
    await using box = new TestContainer([""]);
    await firstLine(box.run("echo in; read -r"));
    await withFolder(async (folder) => {
      const root = await makeRoot(folder);
      const list = [{ Id: box.id, Names: ["/shop"], Image: "shop:7", Labels: {} }];
      await using _docker = Deno.serve(
        { path: `${root}/run/docker.sock`, onListen: () => {} },
        () => Response.json(list),
      );
      await withAgent({ settings: settingsFor(root) }, async (agent) => {
        const mine = async () =>
          (await agent.rows("gala_gopher_container_processes"))
            .find(({ labels }) => labels["container_id"] === box.shortId);
        const row = await until("its name", async () => {
          const row = await mine();
          return row?.labels["container_name"] === undefined ? undefined : row;
        });
        assert.deepEqual([row.labels["container_name"], row.labels["container_image"], row.value], [
          "shop",
          "shop:7",
          1,
        ]);
        await box.kill();
        await until("its rows to go", async () => await mine() === undefined || undefined);
        assert.equal((await agent.end("SIGTERM")).code, 0);
      });
    });
  },
});

Deno.test({
  name: "gala-gopher shows containers, and stops in time, while Docker hangs",
  ignore,
  async fn() {
    await using box = new TestContainer([""]);
    await firstLine(box.run("echo in; read -r"));
    await withFolder(async (folder) => {
      const root = await makeRoot(folder);
      const listener = Deno.listen({ transport: "unix", path: `${root}/run/docker.sock` });
      const asked = listener.accept();
      try {
        await withAgent({ settings: settingsFor(root) }, async (agent) => {
          await until("the container", async () => {
            const rows = await agent.rows("gala_gopher_container_processes");
            return rows.find(({ labels }) => labels["container_id"] === box.shortId);
          });
          using _connection = await asked;
          const { code, ms } = await agent.end("SIGTERM");
          assert.equal(code, 0, agent.log());
          assert.ok(ms < 2000, `took ${ms} ms`);
        });
      } finally {
        listener.close();
      }
    });
  },
});
