// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { Outbox, type OutboxOptions } from "./outbox.ts";
import { Spool } from "./spool.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

interface Given {
  outbox: Outbox;
  spool: Spool | undefined;
  said: string[];
  folder: string;
  /** Resolves when nothing is on its way to the spool. */
  settled: () => Promise<void>;
}

async function withOutbox(
  options: Partial<OutboxOptions> & { noSpool?: boolean },
  work: (given: Given) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  const spool = options.noSpool
    ? undefined
    : await Spool.open({ folder, maxBytes: 1 << 20, kinds: ["metric"] });
  const said: string[] = [];
  const outbox = new Outbox({
    kind: "metric",
    durable: false,
    spool: Promise.resolve(spool),
    maxBytes: 1000,
    maxLines: 100,
    wake: () => {},
    changed: (text) => said.push(text),
    ...options,
  });
  try {
    await Promise.resolve();
    const settled = async () => {
      while (outbox.stats.queuedBytes > 0) await new Promise((done) => setTimeout(done, 1));
    };
    await work({ outbox, spool, said, folder, settled });
  } finally {
    await outbox.close();
    await spool?.close();
    await Deno.remove(folder, { recursive: true });
  }
}

function push(outbox: Outbox, ...lines: string[]): void {
  for (const line of lines) outbox.push(encoder.encode(`${line}\n`), 1);
}

/** Takes and acknowledges everything. */
async function deliver(outbox: Outbox): Promise<string[]> {
  const lines: string[] = [];
  for (;;) {
    const taken = await outbox.take(4);
    if (taken === undefined) return lines;
    const texts = decoder.decode(taken.bytes).trimEnd().split("\n");
    lines.push(...texts.map((text) => taken.repeated ? `!${text}` : text));
    await outbox.sent();
  }
}

Deno.test("Outbox keeps lines in memory while they are taken, and on disk while they are not, in order", () =>
  withOutbox({}, async ({ outbox, spool, settled }) => {
    outbox.online = true;
    push(outbox, "a", "b");
    assert.equal(spool!.queue("metric").lines, 0);
    assert.deepEqual(await deliver(outbox), ["a", "b"]);
    outbox.online = false;
    push(outbox, "c", "d");
    await settled();
    assert.equal(spool!.queue("metric").lines, 2);
    outbox.online = true;
    push(outbox, "e"); // behind what is on disk
    await settled();
    assert.deepEqual(await deliver(outbox), ["c", "d", "e"]);
    push(outbox, "f");
    assert.equal(spool!.queue("metric").lines, 0);
    assert.deepEqual(await deliver(outbox), ["f"]);
    assert.equal(outbox.stats.lines, 6);
  }));

Deno.test("Outbox puts what failed out of memory before what came later, marked when it may have arrived", () =>
  withOutbox({}, async ({ outbox, settled }) => {
    outbox.online = true;
    push(outbox, "aaaa", "b");
    assert.equal((await outbox.take(4))!.lines, 1);
    push(outbox, "c");
    await outbox.failed(true);
    outbox.online = false;
    push(outbox, "d");
    await settled();
    assert.equal(outbox.waiting, 4);
    assert.deepEqual(await deliver(outbox), ["!aaaa", "b", "c", "d"]);
    assert.equal(outbox.stats.repeated, 1);
  }));

Deno.test("Outbox takes only the rest again of what was sent in portions", () =>
  withOutbox({}, async ({ outbox }) => {
    outbox.online = true;
    outbox.push(encoder.encode("a\nb\nc\n"), 3);
    const taken = await outbox.take(100);
    taken!.sentBytes = 2;
    await outbox.failed(false);
    assert.deepEqual(await deliver(outbox), ["b", "c"]);
    assert.equal(outbox.stats.lines, 3);
  }));

Deno.test("Outbox gives what failed from the disk once more, and only once", () =>
  withOutbox({}, async ({ outbox, spool, settled }) => {
    for (const unknown of [false, true]) {
      push(outbox, "a", "b");
      await settled();
      await outbox.take(100);
      await outbox.failed(unknown);
      await outbox.take(100);
      await outbox.failed(unknown);
      assert.deepEqual(await deliver(outbox), unknown ? ["!a", "!b"] : ["a", "b"]);
      assert.equal(spool!.queue("metric").lines, 0);
    }
  }));

Deno.test("Outbox without a spool drops the oldest beyond its bounds, and counts them", () =>
  withOutbox({ noSpool: true, maxLines: 3, maxBytes: 12 }, async ({ outbox }) => {
    push(outbox, "1", "2", "3", "4");
    assert.deepEqual(outbox.stats.losses, { queue_full: 1 });
    push(outbox, "56789");
    assert.equal(outbox.stats.queuedBytes, 10);
    assert.deepEqual(await deliver(outbox), ["3", "4", "56789"]);
    push(outbox, "lost at the end");
    await outbox.close();
    assert.deepEqual(outbox.stats.losses, { queue_full: 2, not_kept: 1 });
  }));

Deno.test("Outbox goes to disk also while lines are taken, when more than half of its memory is full", () =>
  withOutbox({ maxLines: 10 }, async ({ outbox, spool, settled }) => {
    outbox.online = true;
    const lines = Array.from({ length: 29 }, (_, i) => String(i));
    for (const line of lines) {
      push(outbox, line);
      if (outbox.pressed) await settled();
    }
    assert.ok(spool!.queue("metric").lines > 0);
    await settled();
    assert.deepEqual(await deliver(outbox), lines);
    assert.deepEqual(outbox.stats.losses, {});
  }));

Deno.test("Outbox goes to disk with what is being sent in front, when a place hangs", () =>
  withOutbox({ maxLines: 4 }, async ({ outbox, spool, settled }) => {
    for (const how of ["sent", "failed"] as const) {
      outbox.online = true;
      push(outbox, "aaaa", "b");
      assert.equal((await outbox.take(4))!.lines, 1);
      assert.equal(spool!.queue("metric").lines, 0);
      push(outbox, "c", "d");
      await settled();
      assert.equal(spool!.queue("metric").lines, 4);
      assert.equal(outbox.waiting, 4);
      push(outbox, "e");
      await outbox[how](true);
      await settled();
      const first = how === "sent" ? [] : ["!aaaa"];
      assert.deepEqual(await deliver(outbox), [...first, "b", "c", "d", "e"]);
      assert.equal(spool!.queue("metric").lines, 0);
    }
    assert.deepEqual([outbox.stats.lines, outbox.stats.losses], [10, {}]);
  }));

Deno.test("Outbox tells what was being sent from its spool when the process ended as it hung", () =>
  withOutbox({ maxLines: 4 }, async ({ outbox, settled, folder }) => {
    outbox.online = true;
    push(outbox, "aaaa", "b");
    await outbox.take(4);
    push(outbox, "c", "d");
    await settled();
    const later = await Spool.open({ folder, maxBytes: 1 << 20, kinds: ["metric"] });
    const { bytes, repeated } = (await later.peek("metric", 1))!;
    assert.deepEqual([decoder.decode(bytes), repeated], ["aaaa\n", true]);
    await later.close();
  }));

Deno.test("Outbox counts what was refused for good", () =>
  withOutbox({}, async ({ outbox }) => {
    outbox.online = true;
    outbox.push(encoder.encode("a\nb\n"), 2);
    (await outbox.take(100))!.lostLines++;
    await outbox.sent();
    assert.deepEqual([outbox.stats.lines, outbox.stats.losses], [1, { refused: 1 }]);
  }));

Deno.test("Outbox has a durable line on disk when push returns, in order, whatever is at work", () =>
  withOutbox({ durable: true }, async ({ outbox, spool }) => {
    outbox.online = true;
    const expected: string[] = [];
    const taken: string[] = [];
    const taking = (async () => {
      for (; taken.length < 301; await new Promise((done) => setTimeout(done, 0))) {
        taken.push(...await deliver(outbox));
      }
    })();
    for (let i = 0; i < 301; i++) {
      expected.push(`line ${i}`);
      push(outbox, `line ${i}`);
      assert.equal(outbox.stats.queuedBytes, 0);
      assert.ok(spool!.queue("metric").bytes > 0);
      if (i % 7 === 0) await new Promise((done) => setTimeout(done, 0));
    }
    await taking;
    assert.deepEqual(taken, expected);
  }));

Deno.test("Outbox makes room for durable lines in a full spool, and counts what had to go", () =>
  withOutbox(
    { durable: true, maxBytes: 1e7, maxLines: 1e4 },
    async ({ outbox, spool, settled }) => {
      const line = "x".repeat(1500);
      for (let i = 0; i < 1000; i++) push(outbox, `${i} ${line}`);
      await settled();
      const lines = await deliver(outbox);
      const numbers = lines.map((text) => Number(text.split(" ")[0]));
      assert.equal(numbers.at(-1), 999);
      assert.deepEqual(Object.keys(outbox.stats.losses), ["spool_full"]);
      assert.deepEqual(numbers, numbers.toSorted((a, b) => a - b));
      assert.equal(outbox.stats.losses.spool_full, 1000 - numbers.length);
      assert.ok(spool!.queue("metric").dropped > 0);
    },
  ));

Deno.test("Outbox says once that the spool refuses, and goes on in memory", () =>
  withOutbox({ durable: true }, async ({ outbox, spool, said, settled }) => {
    let broken = true;
    const append = spool!.append.bind(spool);
    const appendNow = spool!.appendNow.bind(spool);
    spool!.append = (...args) => broken ? Promise.reject(new Error("disk full")) : append(...args);
    spool!.appendNow = (...args) => {
      if (broken) throw new Error("disk full");
      return appendNow(...args);
    };
    push(outbox, "a");
    await new Promise((done) => setTimeout(done, 1));
    push(outbox, "b");
    await new Promise((done) => setTimeout(done, 1));
    outbox.online = true;
    await new Promise((done) => setTimeout(done, 1));
    assert.deepEqual(await deliver(outbox), ["a", "b"]);
    broken = false;
    push(outbox, "c");
    await settled();
    assert.equal(spool!.queue("metric").lines, 1);
    assert.deepEqual(said, [
      'The spool does not take lines of kind "metric": disk full',
      'The spool takes lines of kind "metric" again',
    ]);
  }));
