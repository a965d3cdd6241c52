// SPDX-License-Identifier: MulanPSL-2.0
/** Redis on a Unix socket, beside its own counts. */
import assert from "node:assert/strict";
import messages from "../../src/probes/messages.ts";
import { withFolder } from "../e2e/run_agent.ts";
import { startServer } from "../probes/run_server.ts";
import { everyLabel, latencyOf, observing, output } from "./message_rig.ts";
import { ProbeRig } from "./probe_rig.ts";

const REQUESTS = 5003;
const SECRET = "s3cret-of-a-user";

Deno.test("messages counts Redis' commands on a Unix socket as its commandstats do, exactly", () =>
  withFolder(async (folder) => {
    const socket = `${folder}/socket`;
    const cli = (...words: string[]) => output("redis-cli", "-s", socket, ...words);
    await using server = await startServer({
      command: "redis-server",
      args: ["--port", "0", "--unixsocket", socket, "--save", "", "--dir", folder],
      ready: async () => (await cli("PING")).trim() === "PONG",
    });
    await cli("CONFIG", "RESETSTAT");
    await using rig = await ProbeRig.start(messages, observing(server.pid, { sockets: "unix" }));
    const load = ["-s", socket, "-q", "-n", String(REQUESTS), "-c", "20", "-t", "set,get"];
    // Nobody reads the ring meanwhile: one tick has it all.
    new Deno.Command("redis-benchmark", { args: load }).outputSync();
    const words = ["-s", socket, "SET", `key:${SECRET}`, SECRET];
    new Deno.Command("redis-cli", { args: words }).outputSync();
    await rig.tick(1);
    const truth = await cli("INFO", "commandstats");
    for (const name of ["SET", "GET"]) {
      const calls = Number(new RegExp(`_${name}:calls=(\\d+)`, "i").exec(truth)![1]);
      const labels = [`api="${name}"`, 'l4_role="unix_server"'];
      assert.equal(rig.sum("l7_rpc_api", "req_count", ...labels), calls, name);
      assert.equal(rig.sum("l7_rpc_api", "resp_count", ...labels), calls, name);
      assert.ok(latencyOf(rig, name).sum > 0);
    }
    const { ring_drop, unpaired_messages } = rig.running.losses!();
    assert.deepEqual([ring_drop, unpaired_messages], [0, 0]);
    assert.ok(!everyLabel(rig).includes(SECRET));
  }));
