// SPDX-License-Identifier: MulanPSL-2.0
/** SIGHUP: the compiled program's probes follow its configuration, without an end and a new start. */
import assert from "node:assert/strict";
import { type Agent, EXAMPLE, type Settings, until, withAgent } from "./run_agent.ts";

const FAST = { ingress: { interval: 0.1 } };
const MEMINFO = { name: "system_meminfo" };
const LOAD = { name: "system_load" };

interface Status {
  name: string;
  state: string;
}

async function statesOf(agent: Agent): Promise<Record<string, string>> {
  const response = await fetch(`http://127.0.0.1:${agent.port}/probes`);
  const probes = await response.json() as Status[];
  return Object.fromEntries(probes.map(({ name, state }) => [name, state]));
}

async function reload(
  agent: Agent,
  settings: Settings,
  wanted: Record<string, string | undefined>,
) {
  await agent.configure({ ...FAST, ...settings });
  agent.signal("SIGHUP");
  await until(`states ${JSON.stringify(wanted)}`, async () => {
    const states = await statesOf(agent);
    return Object.entries(wanted).every(([name, state]) => states[name] === state) || undefined;
  });
}

function example(param: string) {
  return { name: "example", command: EXAMPLE, param };
}

Deno.test("gala-gopher starts and stops the probes that a changed configuration names at SIGHUP", async () => {
  await withAgent({ settings: { ...FAST, probes: [MEMINFO] } }, async (agent) => {
    await reload(agent, { probes: [MEMINFO, LOAD], extend_probes: [example("1")] }, {
      system_meminfo: "running",
      system_load: "running",
      example: "running",
    });
    await until("a row of the new probe", async () => {
      return (await agent.rows("gala_gopher_example_memory_usage")).length === 1 || undefined;
    });
    await reload(agent, { probes: [LOAD] }, {
      system_meminfo: "stopped",
      system_load: "running",
      example: undefined,
    });
    assert.deepEqual(await agent.rows("gala_gopher_mem_total_kB"), []);
    assert.deepEqual(await agent.rows("gala_gopher_example_memory_usage"), []);
    await reload(agent, { probes: [MEMINFO], extend_probes: [example("2")] }, {
      system_meminfo: "running",
      example: "running",
    });
    assert.equal((await agent.end("SIGTERM")).code, 0, agent.log());
  });
});

Deno.test("gala-gopher keeps its probes when the configuration has mistakes, and says which", async () => {
  await withAgent({ settings: { ...FAST, probes: [MEMINFO] } }, async (agent) => {
    for (
      const [probes, said] of [
        [
          [{ name: "system_meminfo", swich: "off" }],
          /Keeps the configuration that it has: .*swich/,
        ],
        [
          [{ name: "nowhere" }],
          /Keeps the configuration that it has: .*there is no probe "nowhere"/,
        ],
      ] as const
    ) {
      await agent.configure({ ...FAST, probes });
      agent.signal("SIGHUP");
      await until("the mistake", () => said.test(agent.log()) || undefined);
      assert.equal((await statesOf(agent)).system_meminfo, "running");
    }
    assert.equal((await agent.end("SIGTERM")).code, 0, agent.log());
  });
});

Deno.test("gala-gopher names what has changed and wants a restart, and tries again what does not run", async () => {
  const missing = { ...example("1"), command: "/nowhere/example.sh" };
  const settings = { ...FAST, probes: [MEMINFO], extend_probes: [missing] };
  await withAgent({ settings }, async (agent) => {
    await until("no example", async () => {
      return ["failed", "unsupported"].includes((await statesOf(agent)).example!) || undefined;
    });
    const mended = { probes: [MEMINFO], extend_probes: [example("1")] };
    await reload(agent, { ...mended, imdb: { record_timeout: 99 } }, { example: "running" });
    assert.match(agent.log(), /imdb\.record_timeout has changed: wants a restart/);
    assert.equal((await agent.end("SIGTERM")).code, 0, agent.log());
  });
});
