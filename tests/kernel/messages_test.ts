// SPDX-License-Identifier: MulanPSL-2.0
/** The messages probe on the running kernel, beside what real servers count themselves. */
import assert from "node:assert/strict";
import messages from "../../src/probes/messages.ts";
import { freePort, withFolder } from "../e2e/run_agent.ts";
import { startServer } from "../probes/run_server.ts";
import { ProbeRig } from "./probe_rig.ts";

const REQUESTS = 10_007;
const SECRET = "s3cret-of-a-user";
const TABLES = Object.keys(messages.tables);

async function output(command: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, { args }).output();
  const decoder = new TextDecoder();
  assert.ok(success, `${command} ${args.join(" ")}: ${decoder.decode(stderr)}`);
  return decoder.decode(stdout);
}

const observing = (...pids: number[]) => ({
  settings: { observe_names: "", observe_pids: pids.join(",") },
  tables: TABLES,
});

function startRedis(folder: string, port: number) {
  const args = ["--bind", "127.0.0.1", "--port", String(port), "--dir", folder, "--save", ""];
  return startServer({
    command: "redis-server",
    args: [...args, "--enable-debug-command", "yes"],
    ready: async () => (await output("redis-cli", "-p", String(port), "PING")).trim() === "PONG",
  });
}

/** Calls of each command as the server counts them. */
async function commandStats(port: number): Promise<Map<string, number>> {
  const text = await output("redis-cli", "-p", String(port), "INFO", "commandstats");
  return new Map(
    [...text.matchAll(/^cmdstat_(\w+):calls=(\d+)/gm)]
      .map(([, name, calls]) => [name!.toUpperCase(), Number(calls)]),
  );
}

function latencyOf(rig: ProbeRig, operation: string): { count: number; sum: number } {
  const table = [...rig.store.tables].find(({ name }) => name === "l7_rpc_api")!;
  const first = table.column("latency");
  const slots = 8;
  let count = 0;
  let sum = 0;
  for (let slot = 0; slot < table.slots; slot++) {
    if (!table.isRow(slot) || !table.labelsOf(slot).includes(operation)) continue;
    for (let i = 0; i < slots; i++) count += table.get(slot, first + i);
    sum += table.get(slot, first + slots);
  }
  return { count, sum };
}

function everyLabel(rig: ProbeRig): string {
  const texts: string[] = [];
  for (const table of rig.store.tables) {
    for (let slot = 0; slot < table.slots; slot++) {
      if (table.isRow(slot)) texts.push(new TextDecoder().decode(table.labelText(slot)));
    }
  }
  return texts.join("\n");
}

Deno.test("messages counts Redis' commands as its commandstats do, exactly", () =>
  withFolder(async (folder) => {
    const port = freePort();
    await using server = await startRedis(folder, port);
    await output("redis-cli", "-p", String(port), "CONFIG", "RESETSTAT");
    await using rig = await ProbeRig.start(messages, observing(server.pid));
    const benchmark = ["-p", String(port), "-q", "-n", String(REQUESTS)];
    await output("redis-benchmark", ...benchmark, "-c", "50", "-t", "set,get,lpush,incr");
    await output("redis-cli", "-p", String(port), "SET", `key:${SECRET}`, SECRET);
    await output("redis-cli", "-p", String(port), "LPUSH", `key:${SECRET}`, "x").catch(() => {});
    const truth = await commandStats(port);
    await rig.tick(1);
    for (const name of ["GET", "SET", "LPUSH", "INCR"]) {
      const label = `api="${name}"`;
      assert.equal(rig.sum("l7_rpc_api", "req_count", label), truth.get(name), name);
      assert.equal(rig.sum("l7_rpc_api", "resp_count", label), truth.get(name), name);
      assert.equal(latencyOf(rig, name).count, truth.get(name));
    }
    assert.equal(rig.sum("l7_rpc_api", "err_count", 'api="LPUSH"'), 1);
    assert.ok(rig.sum("l7_link", "bytes_recv", 'protocol="redis"') > 4 * REQUESTS * 20);
    const { ring_drop, unpaired_messages, unknown_pieces } = rig.running.losses!();
    assert.deepEqual([ring_drop, unpaired_messages, unknown_pieces], [0, 0, 0]);
    const labels = everyLabel(rig);
    assert.match(labels, /l4_role="tcp_server",l7_role="server",protocol="redis"/);
    assert.ok(!labels.includes(SECRET));
  }));

Deno.test("messages counts the time that a Redis command waits for another one", () =>
  withFolder(async (folder) => {
    const port = freePort();
    await using server = await startRedis(folder, port);
    await using rig = await ProbeRig.start(messages, observing(server.pid));
    const connection = await Deno.connect({ port });
    const ask = async (text: string) => {
      await connection.write(new TextEncoder().encode(text));
      await connection.read(new Uint8Array(64));
    };
    await ask("*1\r\n$4\r\nPING\r\n");
    const sleeping = output("redis-cli", "-p", String(port), "DEBUG", "SLEEP", "0.4");
    // The server sleeps as soon as it has read the command; one that does not will answer at once.
    let waited = 0;
    while (waited < 0.2e9) {
      await ask("*2\r\n$3\r\nGET\r\n$1\r\na\r\n");
      await rig.tick(1);
      waited = Math.max(
        ...rig.rows("redis_sli", 'max_command="GET"').map((row) => row.max_rtt_nsec!),
        0,
      );
    }
    await sleeping;
    connection.close();
    assert.ok(waited < 10e9);
    await rig.tick(2);
    assert.ok(latencyOf(rig, "DEBUG").sum >= 0.4e9);
  }));

Deno.test("messages leaves alone what is not observed", () =>
  withFolder(async (folder) => {
    const port = freePort();
    await using _server = await startRedis(folder, port);
    await using rig = await ProbeRig.start(messages, observing(1));
    await output("redis-cli", "-p", String(port), "SET", "a", "b");
    await rig.tick(1);
    assert.deepEqual(rig.rows("l7_rpc"), []);
    assert.equal(rig.running.facts!().connections, 0);
  }));
