// SPDX-License-Identifier: MulanPSL-2.0
/** probes/redis against redis-server. */
import assert from "node:assert/strict";
import { freePort, withFolder } from "../e2e/run_agent.ts";
import { equals, output, says, valueOf, withProbe } from "./run_probe_agent.ts";
import { startServer } from "./run_server.ts";

const PASSWORD = "se cret%1";

function redis(folder: string, port: number) {
  return {
    command: "redis-server",
    args: [
      "--bind",
      "127.0.0.1",
      "--port",
      String(port),
      "--dir",
      folder,
      "--save",
      "",
      "--hz",
      "13",
    ]
      .concat(["--requirepass", PASSWORD]),
    ready: async () => (await cli(port, "PING")).trim() === "PONG",
  };
}

function cli(port: number, ...words: string[]): Promise<string> {
  return output("redis-cli", "-p", String(port), "--no-auth-warning", "-a", PASSWORD, ...words);
}

async function info(port: number, name: string): Promise<number> {
  const text = await cli(port, "INFO");
  return Number(new RegExp(`^${name}:(.*)$`, "m").exec(text)![1]);
}

Deno.test("redis reports the five tables of INFO, and outlives its server", () =>
  withFolder(async (folder) => {
    const port = freePort();
    const probe = {
      command: `redis/redis_probe.py -p ${port}`,
      env: { GOPHER_REDIS_PASSWORD: PASSWORD },
    };
    await withProbe(probe, async (agent) => {
      await says(agent, "Connection refused");
      await using server = await startServer(redis(folder, port));
      await says(agent, "answers again");
      const label = { tcp_port: String(port), redis_version: await version(port) };
      await equals(agent, "redis_server_hz", label, 13);
      await equals(agent, "redis_server_io_threads_active", label, 0);
      await equals(agent, "redis_clients_connected_clients", {}, 1);
      await equals(agent, "redis_clients_cluster_connections", {}, 0);
      await equals(
        agent,
        "redis_stats_total_connections_received",
        {},
        await info(port, "total_connections_received"),
      );
      const commands = await info(port, "total_commands_processed");
      await cli(port, ..."EVAL/for i=1,100 do redis.call('PING') end/0".split("/"));
      await valueOf(
        agent,
        "redis_stats_total_commands_processed",
        {},
        (seen) => seen > commands + 100,
      );
      const memory = await info(port, "used_memory");
      await cli(port, "SETRANGE", "large", "9999999", "x");
      const used = await valueOf(
        agent,
        "redis_memory_used_memory",
        {},
        (seen) => seen > memory + 9e6,
      );
      assert.ok(used < memory + 20e6, `${used} bytes`);
      const sent = await info(port, "total_net_output_bytes");
      await valueOf(agent, "redis_stats_total_net_output_bytes", {}, (seen) => seen >= sent);
      await valueOf(agent, "redis_stats_total_net_input_bytes", {}, (seen) => seen > 0);
      await valueOf(agent, "redis_stats_instantaneous_ops_per_sec", {}, (seen) => seen >= 0);
      const latency = await valueOf(agent, "redis_latency_intrinsic_latency");
      assert.ok(latency > 0 && latency < 50_000, `${latency} us`);
      await server.stop();
      await using _again = await startServer(redis(folder, port));
      // A new server counts anew.
      await valueOf(agent, "redis_memory_used_memory", {}, (seen) => seen < memory + 5e6);
    });
  }));

async function version(port: number): Promise<string> {
  return /^redis_version:(\S+)/m.exec(await cli(port, "INFO"))![1]!;
}

Deno.test("redis says that its password is wrong, and reads a mended file", () =>
  withFolder(async (folder) => {
    const port = freePort();
    const file = `${folder}/password`;
    await Deno.writeTextFile(file, "wrong\n");
    await using _server = await startServer(redis(folder, port));
    const probe = { command: `redis/redis_probe.py -p ${port} --password-file ${file}` };
    await withProbe(probe, async (agent) => {
      await says(agent, "WRONGPASS");
      assert.ok(!agent.log().includes("wrong\n"), "the password is in the log");
      await Deno.writeTextFile(file, `${PASSWORD}\n`);
      await equals(agent, "redis_server_hz", {}, 13);
    });
  }));
