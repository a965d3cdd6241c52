// SPDX-License-Identifier: MulanPSL-2.0
/** The compiled program and a real broker: what it sends, and that events outlive broker and program. */
import assert from "node:assert/strict";
import { type Agent, parseRows, until, withAgent, withFolder } from "../e2e/run_agent.ts";
import { Brokers } from "./broker.ts";

/** Prints events with growing numbers, 20 every tenth of a second, and a row that changes. */
const PROBE = `i=$1; while :; do j=0; while [ $j -lt 20 ]; do
echo "|event|load|e$i|n|WARN|13|number $i|"; i=$((i+1)); j=$((j+1)); done
echo "|load|key|$i|"; sleep 0.1; done
`;
const META =
  'version = "1.0.0"\nmeasurements: ({ table_name: "load", entity_name: "load", fields: (' +
  '{ description: "k", type: "key", name: "k" }, { description: "v", type: "gauge", name: "v" }) })\n';

function settingsFor(folder: string, brokers: Brokers, first: number) {
  return {
    metric: { out_channel: "web_server,kafka" },
    event: { out_channel: "kafka", timeout: 0 },
    meta: { out_channel: "kafka" },
    egress: { interval: 0.2 },
    kafka: { kafka_broker: brokers.addresses, spool_dir: `${folder}/spool` },
    probes: [{ name: "system_meminfo" }],
    extend_probes: [{
      name: "load",
      command: `/bin/sh ${folder}/probe.sh ${first}`,
      meta: `${folder}/load.meta`,
    }],
  };
}

/** The number of the last event that the agent has taken, so that it is safe, once it is `more` at least. */
async function lastEvent({ port }: Agent, more: number): Promise<number> {
  return await until("events", async () => {
    const events = await (await fetch(`http://127.0.0.1:${port}/events`)).json();
    const last = Number(/number (\d+)/.exec(events.at(-1)?.Body)?.[1] ?? NaN);
    return last >= more ? last : undefined;
  });
}

/** Numbers of events that arrived, and those of them that came again without a mark. */
async function arrived(brokers: Brokers) {
  const numbers = new Set<number>();
  const unmarked: number[] = [];
  for (const { value, headers } of await brokers.messages("gala_gopher_event")) {
    const number = Number(/number (\d+)/.exec(JSON.parse(value).Body)![1]);
    if (numbers.has(number) && headers !== "repeated=true") unmarked.push(number);
    numbers.add(number);
  }
  return { numbers, unmarked };
}

const metricOf = async (agent: Agent, name: string, kind: string) =>
  parseRows(await agent.page(), `gala_gopher_agent_${name}`)
    .find(({ labels }) => labels.kind === kind)?.value;

Deno.test("gala-gopher loses no event when the broker is away and the agent is killed meanwhile", () =>
  withFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/probe.sh`, PROBE);
    await Deno.writeTextFile(`${folder}/load.meta`, META);
    await using brokers = await Brokers.prepare(folder);
    await brokers.start();
    const taken: number[] = [];
    // Killed under load with the broker there, then with the broker away, then it ends in peace.
    await withAgent({ settings: settingsFor(folder, brokers, 0) }, async (agent) => {
      taken.push(await lastEvent(agent, 200));
      await agent.end("SIGKILL");
    });
    await withAgent({ settings: settingsFor(folder, brokers, 100_000) }, async (agent) => {
      await lastEvent(agent, 100_100);
      await brokers.kill();
      taken.push(await lastEvent(agent, 100_400));
      await until(
        "metrics on disk",
        async () => await metricOf(agent, "output_spooled_bytes", "metric") || undefined,
      );
      // Said once of a topic that was being written, and once of the broker.
      assert.equal(agent.log().match(/does not take/g)?.length ?? 1, 1, agent.log());
      assert.equal(agent.log().match(/Cannot connect/g)?.length ?? 1, 1, agent.log());
      await agent.end("SIGKILL");
    });
    await brokers.start();
    await withAgent({ settings: settingsFor(folder, brokers, 200_000) }, async (agent) => {
      taken.push(await lastEvent(agent, 200_100));
      await until(
        "an empty spool",
        async () => await metricOf(agent, "output_spooled_bytes", "metric") === 0 || undefined,
      );
      assert.equal((await agent.end("SIGTERM")).code, 0);
    });
    const { numbers, unmarked } = await arrived(brokers);
    for (const [run, last] of taken.entries()) {
      for (let number = run * 100_000; number <= last; number++) {
        assert.ok(numbers.has(number), `event ${number} of ${last} did not arrive`);
      }
    }
    assert.deepEqual(unmarked, []);
    const rows = await brokers.messages("gala_gopher");
    const machineId = (await Deno.readTextFile("/etc/machine-id")).trim();
    assert.ok(rows.every(({ key }) => key === machineId));
    const loads = rows.map(({ value }) => JSON.parse(value))
      .filter(({ entity_name }) => entity_name === "load").map(({ v }) => Number(v));
    assert.ok(loads.length > 10);
    const described = (await brokers.messages("gala_gopher_metadata"))
      .map(({ value }) => JSON.parse(value).meta_name);
    assert.ok(described.includes("system_meminfo") && described.includes("load"));
  }));
