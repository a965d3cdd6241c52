// SPDX-License-Identifier: MulanPSL-2.0
/** The compiled program and a real broker: what it sends, and that events outlive broker and program. */
import assert from "node:assert/strict";
import { type Agent, parseRows, until, withAgent, withFolder } from "../e2e/run_agent.ts";
import { BROKER_PATIENCE_MS, Brokers } from "./broker.ts";

/** How long the probe prints in all. The measure of the issue is 600. */
const SECONDS = Number(Deno.env.get("GALA_GOPHER_WEATHER_SECONDS") ?? 8);
const KEYS = 5000;

/** Each second prints 5,000 rows, each with a new value, and 100 events with growing numbers. */
const PROBE = `BEGIN { for (n = i;; n++) for (part = 0; part < 5; part++) {
for (j = 0; j < 20; j++) { print "|event|load|e" i "|n|WARN|13|number " i "|"; i++ }
for (j = 0; j < ${KEYS / 5}; j++) print "|load|" part * ${KEYS / 5} + j "|" n "|"
fflush(); system("sleep 0.2") } }
`;
const META =
  'version = "1.0.0"\nmeasurements: ({ table_name: "load", entity_name: "load", fields: (' +
  '{ description: "k", type: "key", name: "k" }, { description: "v", type: "gauge", name: "v" }) })\n';
/** Between the first numbers of two runs of the agent. */
const RUN = 1_000_000;

function settingsFor(folder: string, brokers: Brokers, run: number) {
  return {
    metric: { out_channel: "web_server,kafka" },
    event: { out_channel: "kafka", timeout: 0 },
    meta: { out_channel: "kafka" },
    egress: { interval: 1 },
    imdb: { max_records_num: KEYS },
    kafka: { kafka_broker: brokers.addresses, spool_dir: `${folder}/spool` },
    probes: [{ name: "system_meminfo" }],
    extend_probes: [{
      name: "load",
      command: `awk -v i=${run * RUN} -f ${folder}/probe.awk`,
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
  }, BROKER_PATIENCE_MS);
}

/** A quarter of the time under load; gives the number of the last event that is safe then. */
async function quarter(agent: Agent): Promise<number> {
  const first = await lastEvent(agent, 0);
  await new Promise((done) => setTimeout(done, SECONDS * 250));
  return await lastEvent(agent, first + 1);
}

/** Numbers of events that arrived; none came again, or before an older one, without a mark. */
async function arrivedEvents(brokers: Brokers): Promise<Set<number>> {
  const numbers = new Set<number>();
  const wrong: number[] = [];
  let last = -1;
  await brokers.eachMessage("gala_gopher_event", ({ value, headers }) => {
    const number = Number(/number (\d+)/.exec(JSON.parse(value).Body)![1]);
    numbers.add(number);
    if (number > last) last = number;
    else if (headers !== "repeated=true") wrong.push(number);
  });
  assert.deepEqual(wrong, []);
  return numbers;
}

/** How many rows of the probe arrived; of no key an older value, or one again, without a mark. */
async function arrivedRows(brokers: Brokers): Promise<number> {
  const machineId = (await Deno.readTextFile("/etc/machine-id")).trim();
  const values = new Map<string, number>();
  const wrong: string[] = [];
  let rows = 0;
  await brokers.eachMessage("gala_gopher", ({ key, headers, value }) => {
    assert.equal(key, machineId);
    const { entity_name, k, v } = JSON.parse(value);
    if (entity_name !== "load") return;
    rows++;
    if (Number(v) > (values.get(k) ?? -1)) values.set(k, Number(v));
    else if (headers !== "repeated=true") wrong.push(`${k}: ${v}`);
  });
  assert.deepEqual(wrong.slice(0, 10), []);
  assert.equal(values.size, KEYS);
  return rows;
}

const metricOf = async (agent: Agent, name: string, kind: string) =>
  parseRows(await agent.page(), `gala_gopher_agent_${name}`)
    .find(({ labels }) => labels.kind === kind)?.value;

async function emptySpool(agent: Agent): Promise<void> {
  for (const kind of ["event", "metric"]) {
    await until(
      `an empty spool of ${kind}`,
      async () => await metricOf(agent, "output_spooled_bytes", kind) === 0 || undefined,
      SECONDS * 1000 + BROKER_PATIENCE_MS,
    );
    const lost = parseRows(await agent.page(), "gala_gopher_agent_output_lost_total")
      .filter(({ labels, value }) => labels.channel === "kafka" && value > 0);
    assert.deepEqual(lost, []);
  }
}

Deno.test("gala-gopher loses no event when the broker is away for half of the time, and the agent is killed meanwhile", () =>
  withFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/probe.awk`, PROBE);
    await Deno.writeTextFile(`${folder}/load.meta`, META);
    await using brokers = await Brokers.prepare(folder);
    await brokers.start();
    const taken: number[] = [];
    // Killed under load with the broker there, then with the broker away, then it ends in peace.
    await withAgent({ settings: settingsFor(folder, brokers, 0) }, async (agent) => {
      taken.push(await quarter(agent));
      await agent.end("SIGKILL");
    });
    await withAgent({ settings: settingsFor(folder, brokers, 1) }, async (agent) => {
      await lastEvent(agent, RUN + 100);
      await brokers.kill();
      taken.push(await quarter(agent));
      await until(
        "metrics on disk",
        async () => await metricOf(agent, "output_spooled_bytes", "metric") || undefined,
        BROKER_PATIENCE_MS,
      );
      // Said once of a topic that was being written, and once of the broker.
      assert.equal(agent.log().match(/does not take/g)?.length ?? 1, 1, agent.log());
      assert.equal(agent.log().match(/Cannot connect/g)?.length ?? 1, 1, agent.log());
      await agent.end("SIGKILL");
    });
    await withAgent({ settings: settingsFor(folder, brokers, 2) }, async (agent) => {
      await quarter(agent);
      await brokers.start();
      taken.push(await quarter(agent));
      await emptySpool(agent);
      assert.equal((await agent.end("SIGTERM")).code, 0);
    });
    const events = await arrivedEvents(brokers);
    for (const [run, last] of taken.entries()) {
      for (let number = run * RUN; number <= last; number++) {
        assert.ok(events.has(number), `event ${number} of ${last} did not arrive`);
      }
    }
    console.log(`${events.size} events and ${await arrivedRows(brokers)} rows arrived`);
    const described = (await brokers.messages("gala_gopher_metadata"))
      .map(({ value }) => JSON.parse(value).meta_name);
    assert.ok(described.includes("system_meminfo") && described.includes("load"));
  }));
