// SPDX-License-Identifier: MulanPSL-2.0
/** A real broker that hangs with its connections open: what waits for it in memory is bounded, and all arrives. */
import assert from "node:assert/strict";
import process from "node:process";
import { RETRIES, SCRATCH_BYTES } from "../../src/egress/kafka_client.ts";
import { withFolder } from "../e2e/run_agent.ts";
import { Brokers } from "./broker.ts";
import { assertAll, until, withSending } from "./numbered.ts";
import { startSending } from "./sending.ts";

const QUEUE_BYTES = 8e6;
const LINES = 15_000;
const LINES_A_PIECE = 100;
/** 120 MB in all, several times what may be kept in memory. */
const LINE = "x".repeat(8000);
/** A batch waits in the connection once for each attempt. */
const HELD_BYTES = (RETRIES + 1) * SCRATCH_BYTES;
/** What V8 lets pile up before it collects. */
const GARBAGE_BYTES = 100e6;

const piece = (first: number) =>
  Array.from({ length: LINES_A_PIECE }, (_, i) => `{"n":${first + i},"text":"${LINE}"}`);

Deno.test("LineSender holds no more than its queue and a batch for a broker that hangs, and loses nothing", () =>
  withFolder(async (folder) => {
    await using brokers = await Brokers.prepare(folder);
    await brokers.start();
    const topics = { metric: "hang-metric", event: "hang-event" };
    await brokers.createTopic(topics.metric);
    await brokers.createTopic(topics.event);
    const options = { brokers: [brokers.addresses], requestMs: 1000 };
    const starting = startSending(`${folder}/spool`, topics, options, 64e6, QUEUE_BYTES);
    await withSending(starting, async (sending) => {
      const { outboxes, client, said } = sending;
      sending.push("metric", piece(0));
      sending.push("event", piece(0));
      await sending.empty();
      brokers.signal("SIGSTOP");
      sending.push("event", piece(LINES_A_PIECE));
      const before = process.memoryUsage.rss();
      let [held, queued, grown] = [0, 0, 0];
      for (let n = LINES_A_PIECE; n < LINES; n += LINES_A_PIECE) {
        sending.push("metric", piece(n));
        // As the outputs do.
        do await new Promise((done) => setTimeout(done, 1)); while (outboxes.metric.pressed);
        held = Math.max(held, client.waitingBytes);
        queued = Math.max(queued, outboxes.metric.stats.queuedBytes);
        grown = Math.max(grown, process.memoryUsage.rss() - before);
      }
      // It is given up, and every byte that waited in its connection with it.
      await until(() => said.length > 0);
      assert.match(said[0]!, /^Kafka does not take lines for topic "hang-\w+": .*timed out/);
      await until(() => client.waitingBytes === 0);
      brokers.signal("SIGCONT");
      await sending.empty();
      const figures = `in connections ${held}, queued ${queued}, grown ${grown}`;
      assert.ok(held <= HELD_BYTES && queued <= QUEUE_BYTES, figures);
      assert.ok(grown <= QUEUE_BYTES + HELD_BYTES + GARBAGE_BYTES, figures);
      console.log(figures);
      assertAll(await brokers.messages(topics.metric), LINES);
      assertAll(await brokers.messages(topics.event), 2 * LINES_A_PIECE);
      assert.deepEqual([outboxes.metric.stats.losses, outboxes.event.stats.losses], [{}, {}]);
    });
  }));
