// SPDX-License-Identifier: MulanPSL-2.0
/** Messages through the compiled program: on every way out there are counts, and nothing that somebody said. */
import assert from "node:assert/strict";
import { startServer } from "../probes/run_server.ts";
import { finished, freePort, until, withAgent, withFolder } from "./run_agent.ts";

const SECRET = "s3cret-of-a-user";

/** All text of the files below a folder. */
async function contents(folder: string): Promise<string> {
  let text = "";
  for await (const { name, isDirectory, isFile } of Deno.readDir(folder)) {
    if (isDirectory) text += await contents(`${folder}/${name}`);
    else if (isFile) text += await Deno.readTextFile(`${folder}/${name}`);
  }
  return text;
}

Deno.test("gala-gopher reports messages of Redis, and nowhere what they say", () =>
  withFolder(async (folder) => {
    const redisPort = freePort();
    const cli = (...words: string[]) => finished("redis-cli", ["-p", String(redisPort), ...words]);
    await Deno.mkdir(`${folder}/redis`);
    await using server = await startServer({
      command: "redis-server",
      args: ["--port", String(redisPort), "--bind", "127.0.0.1", "--save", ""]
        .concat(["--dir", `${folder}/redis`]),
      ready: async () => (await cli("PING")).out.includes("PONG"),
    });
    const settings = {
      metric: { out_channel: "web_server, logs" },
      event: { out_channel: "logs" },
      logs: { metric_dir: `${folder}/out/metric`, event_dir: `${folder}/out/event` },
      ingress: { interval: 0.1 },
      egress: { interval: 0.1 },
      probes: [{ name: "messages", settings: { observe_names: "", observe_pids: server.pid } }],
    };
    await withAgent({ settings }, async ({ port, page, rows, log, end }) => {
      await until("the probe", async () => {
        const probes = await (await fetch(`http://127.0.0.1:${port}/probes`)).json();
        const probe = probes.find(({ name }: { name: string }) => name === "messages");
        return probe.state === "running" ? probe : undefined;
      });
      await cli("SET", `key-${SECRET}`, SECRET);
      await cli(SECRET, "x");
      const count = async (api: string) =>
        (await rows("l7_api_req_count")).find(({ labels }) => labels.api === api)?.value;
      await until(
        "the commands",
        async () => await count("SET") === 1 && await count("OTHER") === 1,
      );
      await until("a line of the file", async () => {
        const text = await contents(`${folder}/out`).catch(() => "");
        return text.includes("l7_api") ? text : undefined;
      });
      const probes = await (await fetch(`http://127.0.0.1:${port}/probes`)).text();
      const events = await (await fetch(`http://127.0.0.1:${port}/events`)).text();
      const everything = await page() + probes + events + log() + await contents(`${folder}/out`);
      assert.ok(everything.includes("gala_gopher_sli_rtt_nsec"));
      assert.ok(!everything.includes(SECRET));
      assert.equal((await end("SIGTERM")).code, 0);
    });
  }));
