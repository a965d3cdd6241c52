// SPDX-License-Identifier: MulanPSL-2.0
/** A real broker whose disk is full. */
import { finished, withFolder } from "../e2e/run_agent.ts";
import assert from "node:assert/strict";
import { Brokers } from "./broker.ts";
import { assertAll, load, until, withSending } from "./numbered.ts";
import { startSending } from "./sending.ts";

async function run(command: string, ...args: string[]): Promise<void> {
  const { code, err } = await finished(command, args);
  assert.equal(code, 0, err);
}

Deno.test("LineSender waits while the broker's disk is full, and loses nothing", () =>
  withFolder(async (folder) => {
    const disk = `${folder}/disk`;
    await Deno.mkdir(disk);
    await run("mount", "-t", "tmpfs", "-o", "size=8m", "nodev", disk);
    try {
      await using brokers = await Brokers.prepare(folder, 1, { "log.dirs": `${disk}/data` });
      await brokers.start();
      const topics = { metric: "full-metric", event: "full-event" };
      await brokers.createTopic(topics.metric);
      await brokers.createTopic(topics.event);
      const options = { brokers: brokers.addresses.split(",") };
      await withSending(startSending(`${folder}/spool`, topics, options), async (sending) => {
        const { more, stop } = load(sending);
        await until(() => sending.said.length > 0);
        await more(2000);
        const sent = await stop();
        // A broker whose only disk is full ends by itself.
        await brokers.kill();
        await run("mount", "-o", "remount,size=200m", disk);
        await brokers.start();
        await sending.empty();
        assertAll(await brokers.messages(topics.metric), sent);
        assertAll(await brokers.messages(topics.event), sent);
      });
    } finally {
      await run("umount", disk);
    }
  }));
