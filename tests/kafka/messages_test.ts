// SPDX-License-Identifier: MulanPSL-2.0
/** The messages probe beside a real broker: what clients wrote and read, by topic and client, and which calls. */
import assert from "node:assert/strict";
import messages from "../../src/probes/messages.ts";
import { finished, withFolder } from "../e2e/run_agent.ts";
import { everyLabel, observingPort } from "../kernel/message_rig.ts";
import { ProbeRig } from "../kernel/probe_rig.ts";
import { Brokers } from "./broker.ts";

const SECRET = "s3cret-of-a-user";
const JARS = new URL("../../.tools/kafka/*", import.meta.url).pathname;
const TALK = new URL("../kernel/KafkaTalk.java", import.meta.url).pathname;
const SENT = 211;
const LINES = 97;

async function run(command: string, ...args: string[]): Promise<string> {
  const { code, out, err } = await finished(command, args);
  assert.equal(code, 0, err);
  return out;
}

Deno.test("messages counts what Kafka's clients write and read, by topic, and their calls", () =>
  withFolder(async (folder) => {
    await using brokers = await Brokers.prepare(folder);
    await brokers.start();
    const [host, port] = brokers.addresses.split(":") as [string, string];
    await brokers.createTopic("orders");
    await brokers.createTopic("lines");
    for (const source of ["auto", "calls"]) {
      const before = (await brokers.messages("lines")).length;
      const settings = observingPort("java", Number(port), { source });
      await using rig = await ProbeRig.start(messages, settings);
      const java = ["-Xmx256m", "-cp", JARS, TALK, `${host}:${port}`];
      const topic = `orders-${source}`;
      await brokers.createTopic(topic);
      assert.equal((await run("java", ...java, topic, SECRET, String(SENT))).trim(), String(SENT));
      const kcat = `seq 1 ${LINES} | kcat -b ${host}:${port} -P -t lines`;
      await run("sh", "-c", kcat);
      const consumer = ["-b", `${host}:${port}`, "-C", "-t", "lines", "-o", "beginning"];
      await run("kcat", ...consumer, "-e", "-q");
      await rig.tick(1);
      const ip = `::ffff:${host}`; // Java's sockets are of IPv6
      const moved = (side: string, topic: string) =>
        rig.sum(
          "kafkaprobe",
          "num",
          `msg_type="${side}",client_ip="${ip}"`,
          `topic="${topic}",server_ip="${ip}",server_port="${port}"`,
        );
      const server = 'l7_role="server",protocol="kafka"';
      assert.equal(moved("Producer", topic), SENT, source);
      assert.equal(moved("Consumer", topic), SENT, source);
      assert.equal(moved("Producer", "lines"), LINES, source);
      assert.equal(moved("Consumer", "lines"), before + LINES, source);
      const calls = (api: string) => rig.sum("l7_rpc_api", "resp_count", server, `api="${api}"`);
      assert.equal(calls("SyncGroup"), 1);
      assert.equal(calls("LeaveGroup"), 1);
      assert.ok(calls("Fetch") >= 3 && calls("Produce") >= 2);
      // A client that goes away may leave a question behind.
      const count = (metric: string) => rig.sum("l7_rpc", metric, 'protocol="kafka"');
      const left = count("req_count") - count("resp_count");
      const { ring_drop, unpaired_messages } = rig.running.losses!();
      assert.ok(left <= 4 && unpaired_messages! <= 4, `${left}, ${unpaired_messages}`);
      assert.equal(ring_drop, 0);
      assert.ok(!everyLabel(rig).includes(SECRET));
    }
  }));
