// SPDX-License-Identifier: MulanPSL-2.0
/** probes/redis_client against redis-server. */
import assert from "node:assert/strict";
import { freePort, until, withFolder } from "../e2e/run_agent.ts";
import { output, says, valueOf, withProbe } from "./run_probe_agent.ts";
import { startServer } from "./run_server.ts";

const PASSWORD = "se cret%1";
const PAUSE_MS = 700;

function cli(port: number, ...words: string[]): Promise<string> {
  return output("redis-cli", "-p", String(port), "--no-auth-warning", "-a", PASSWORD, ...words);
}

function start(folder: string, port: number) {
  return startServer({
    command: "redis-server",
    args: ["--bind", "127.0.0.1", "--port", String(port), "--dir", folder, "--save", ""]
      .concat(["--requirepass", PASSWORD]),
    ready: async () => (await cli(port, "PING")).trim() === "PONG",
  });
}

/** How often the server was asked for a key. */
async function gets(port: number): Promise<number> {
  const text = await cli(port, "INFO", "commandstats");
  return Number(/^cmdstat_get:calls=(\d+)/m.exec(text)?.[1] ?? 0);
}

Deno.test("redis_client measures a real connection, a stall too, and outlives its server", () =>
  withFolder(async (folder) => {
    const port = freePort();
    const file = `${folder}/password`;
    await Deno.writeTextFile(file, "wrong\n");
    const probe = {
      command: `redis_client/redis_client -p ${port} -q 100`,
      interval: "-d",
      env: { GOPHER_REDIS_CLIENT_PASSWORD_FILE: file },
    };
    await withProbe(probe, async (agent) => {
      await says(agent, "Connection refused");
      await using server = await start(folder, port);
      await says(agent, "the server refuses: WRONGPASS");
      await Deno.writeTextFile(file, `${PASSWORD}\n`);
      await says(agent, "answers again");
      const [, client_port] = await until("the connection", async () => {
        const clients = await cli(port, "CLIENT", "LIST");
        return /addr=127\.0\.0\.1:(\d+) .*cmd=get /.exec(clients) ?? undefined;
      });
      const label = { client_ip: "127.0.0.1", client_port: client_port!, server_ip: "127.0.0.1" };
      const own = { ...label, server_port: String(port), recent_cmd: "get" };
      const count = await valueOf(agent, "redis_client_sample_num", own, (value) => value > 0);
      assert.ok(count <= 7, `${count} samples in half a second`);
      const recent = await valueOf(agent, "redis_client_recent_rtt", own);
      assert.ok(recent > 1 && recent < 1e6, `${recent} us`);
      const before = await gets(port);
      await until("five more requests", async () => await gets(port) >= before + 5 || undefined);
      // What waits for the whole pause is slower than it by no more than a period.
      const pause = () => cli(port, "CLIENT", "PAUSE", String(PAUSE_MS), "ALL");
      await pause();
      const stalled = (value: number) => value > (PAUSE_MS - 200) * 1000 && value < 3e6;
      // Of one period: it goes on until it is seen.
      await valueOf(agent, "redis_client_max_rtt", own, async (value) => {
        if (!stalled(value)) await pause();
        return stalled(value);
      });
      await valueOf(agent, "redis_client_send_queue_nums", own, (value) => value === 0);
      await server.stop();
      await says(agent, "closed the connection");
      await using _again = await start(folder, port);
      await until("a new connection", async () => {
        const rows = await agent.rows("gala_gopher_redis_client_sample_num");
        return rows.some(({ labels }) => labels.client_port !== client_port) || undefined;
      });
    });
  }));
