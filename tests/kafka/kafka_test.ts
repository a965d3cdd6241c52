// SPDX-License-Identifier: MulanPSL-2.0
/** Sending to a real broker that misbehaves in every way that can be had: nothing is lost, order stays. */
import assert from "node:assert/strict";
import { withFolder } from "../e2e/run_agent.ts";
import { Brokers, PASSWORD, USER } from "./broker.ts";
import { assertAll, load, numbered, until, withSending } from "./numbered.ts";
import { startSending } from "./sending.ts";

interface Given {
  readonly brokers: Brokers;
  readonly folder: string;
  readonly createTopic: (topic: string, settings?: Record<string, string>) => Promise<void>;
}

async function sendsCompressed({ brokers, folder, createTopic }: Given): Promise<void> {
  for (const compression of ["none", "gzip", "snappy", "lz4", "zstd"] as const) {
    const topics = { metric: `metric-${compression}`, event: `event-${compression}` };
    await createTopic(topics.metric);
    await createTopic(topics.event);
    const options = { brokers: [brokers.addresses], compression };
    await withSending(startSending(`${folder}/a`, topics, options), async (sending) => {
      sending.push("metric", numbered(0, 5_011));
      sending.push("event", ['{"n":0,"text":"é\\n"}']);
      await sending.empty();
      const messages = await brokers.messages(topics.metric);
      assertAll(messages, 5_011);
      assert.deepEqual([...new Set(messages.map(({ key }) => key))], ["host"]);
      const [event, ...others] = await brokers.messages(topics.event);
      assert.deepEqual([event?.value, others], ['{"n":0,"text":"é\\n"}', []]);
      assert.deepEqual(sending.said, [], compression);
    });
  }
}

async function waitsForTopic({ brokers, folder, createTopic }: Given): Promise<void> {
  const topics = { metric: "late-metric", event: "early-event" };
  await createTopic(topics.event);
  const options = { brokers: [brokers.addresses] };
  await withSending(startSending(`${folder}/b`, topics, options), async (sending) => {
    sending.push("metric", numbered(0, 100));
    sending.push("event", numbered(0, 10));
    await until(() => sending.said.length > 0);
    assert.match(sending.said[0]!, /^Kafka does not take lines for topic "late-metric": /);
    sending.push("event", numbered(10, 20));
    sending.push("metric", numbered(100, 200));
    await until(() => sending.outboxes.event.waiting === 0);
    assertAll(await brokers.messages(topics.event), 20);
    await createTopic(topics.metric);
    await sending.empty();
    const messages = await brokers.messages(topics.metric);
    assertAll(messages, 200);
    assert.equal(messages.length, 200); // nothing of it was ever stored before
    assert.equal(sending.said.length, 2, sending.said.join("\n"));
    assert.match(sending.said[1]!, /^Kafka takes lines for topic "late-metric" again/);
  });
}

async function halvesLargeBatches({ brokers, folder, createTopic }: Given): Promise<void> {
  const topics = { metric: "small", event: "small-event" };
  await createTopic(topics.metric, { "max.message.bytes": "20000" });
  const options = { brokers: [brokers.addresses] };
  await withSending(startSending(`${folder}/c`, topics, options), async (sending) => {
    const lines = numbered(0, 1009);
    sending.push("metric", [...lines.slice(0, 500), "y".repeat(30_000), ...lines.slice(500)]);
    await sending.empty();
    assertAll(await brokers.messages(topics.metric), 1009);
    const { lines: delivered, losses } = sending.outboxes.metric.stats;
    assert.deepEqual([delivered, losses], [1009, { refused: 1 }]);
    assert.equal(sending.said.length, 1, sending.said.join("\n"));
    assert.match(sending.said[0]!, /^Kafka refuses lines of topic "small": .*larger/);
  });
}

async function logsIn({ brokers, folder, createTopic }: Given): Promise<void> {
  const ca = await Deno.readTextFile(brokers.caFile);
  const topics = { metric: "none", event: "login" };
  await createTopic(topics.event);
  const attempts = [
    ["plain", "wrong"],
    ["plain", PASSWORD],
    ["scram-sha-256", "wrong"],
    ["scram-sha-256", PASSWORD],
    ["scram-sha-512", PASSWORD],
  ] as const;
  let sent = 0;
  for (const [mechanism, password] of attempts) {
    const sasl = { mechanism, username: USER, password };
    const options = { brokers: [brokers.saslAddresses], tls: { ca }, sasl };
    await withSending(startSending(`${folder}/d`, topics, options), async (sending) => {
      sending.push("event", numbered(sent, ++sent));
      if (password === PASSWORD) {
        await sending.empty();
        assert.deepEqual(sending.said, []);
      } else {
        await until(() => sending.said.length > 0);
        assert.match(sending.said[0]!, /^Cannot connect to Kafka: .*[Aa]uthentication/);
      }
    });
  }
  assertAll(await brokers.messages(topics.event), attempts.length);
}

/** Stored, but nobody was told; then a refusal that would mean "not stored", were it the only attempt. */
async function marksDoubt({ brokers, folder, createTopic }: Given): Promise<void> {
  const topics = { metric: "doubt-metric", event: "doubt-event" };
  await createTopic(topics.metric);
  await createTopic(topics.event);
  const options = { brokers: [`127.0.0.1:${brokers.line.port}`] };
  await withSending(startSending(`${folder}/f`, topics, options), async (sending) => {
    for (const [round, kind] of (["metric", "event"] as const).entries()) {
      const cut = brokers.line.cutAtAnswer();
      sending.push(kind, numbered(0, 500));
      await cut;
      await brokers.forbidWriting(topics[kind]);
      brokers.line.mend();
      await until(() => sending.said.length > 2 * round);
      sending.push(kind, numbered(500, 1000));
      await brokers.allowWriting(topics[kind]);
      await sending.empty();
      await until(() => sending.said.length > 2 * round + 1);
      assertAll(await brokers.messages(topics[kind]), 1000);
      assert.equal(sending.outboxes[kind].stats.lines, 1000);
    }
  });
}

async function survivesKills({ brokers, folder, createTopic }: Given): Promise<void> {
  const topics = { metric: "kill-metric", event: "kill-event" };
  await createTopic(topics.metric);
  await createTopic(topics.event);
  await brokers.kill();
  const options = { brokers: [brokers.addresses] };
  await withSending(startSending(`${folder}/e`, topics, options), async (sending) => {
    const { more, stop } = load(sending);
    await until(() => sending.said.length > 0);
    assert.match(sending.said[0]!, /^Cannot connect to Kafka: .*; \d+ lines wait$/);
    await brokers.start();
    await more(5000);
    await brokers.kill();
    await more(5000);
    await brokers.start();
    await more(2000);
    const sent = await stop();
    await sending.empty();
    assertAll(await brokers.messages(topics.metric), sent);
    assertAll(await brokers.messages(topics.event), sent);
    const { lines, losses, spooledBytes } = sending.outboxes.event.stats;
    assert.deepEqual([lines, losses, spooledBytes], [sent, {}, 0]);
    const wrong = sending.said.filter((text) => /^Cannot|not take/.test(text)).length;
    // The second time may be over before it is noticed.
    assert.ok(wrong >= 1 && wrong <= 6, sending.said.join("\n"));
    assert.match(sending.said.at(-1)!, /^(Connected|Kafka takes)/);
  });
}

const STEPS: Readonly<Record<string, (given: Given) => Promise<void>>> = {
  "sends batches that kcat reads, with each compression, keyed by the host": sendsCompressed,
  "sends events while the topic of metrics is missing, and metrics once it is there": waitsForTopic,
  "halves batches that the broker finds too large, and counts messages that are":
    halvesLargeBatches,
  "logs in over TLS by PLAIN and SCRAM, and waits while the password is wrong": logsIn,
  "marks lines that may have arrived, whatever the last of several attempts said": marksDoubt,
  "waits for a broker that is absent, killed under load and back, and loses nothing": survivesKills,
};

Deno.test("LineSender with one real broker", (test) =>
  withFolder(async (folder) => {
    await using brokers = await Brokers.prepare(folder, 1, {
      "auto.create.topics.enable": "false",
      "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
      "allow.everyone.if.no.acl.found": "true",
    });
    await brokers.start();
    for (const [name, work] of Object.entries(STEPS)) {
      await test.step(
        name,
        () => work({ brokers, folder, createTopic: (...args) => brokers.createTopic(...args) }),
      );
    }
  }));

Deno.test("LineSender goes on when the leader of its topic dies, one of three brokers", () =>
  withFolder(async (folder) => {
    await using brokers = await Brokers.prepare(folder, 3);
    await brokers.start();
    const topics = { metric: "three-metric", event: "three-event" };
    await brokers.createTopic(topics.metric);
    await brokers.createTopic(topics.event);
    const options = { brokers: brokers.addresses.split(",") };
    await withSending(startSending(`${folder}/spool`, topics, options), async (sending) => {
      const { more, stop } = load(sending);
      await more(3000);
      const leader = await brokers.leaderOf(topics.metric);
      await brokers.kill(leader);
      await more(3000);
      const sent = await stop();
      await sending.empty();
      assert.notEqual(await brokers.leaderOf(topics.metric), leader);
      assertAll(await brokers.messages(topics.metric), sent);
      assertAll(await brokers.messages(topics.event), sent);
    });
  }));
