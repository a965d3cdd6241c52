// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { Spool } from "./spool.ts";
import { withFolder } from "../../tests/e2e/run_agent.ts";

const KINDS = ["metric", "meta", "event"];
const encoder = new TextEncoder();
const decoder = new TextDecoder();

function open(folder: string, maxBytes = 1 << 20): Promise<Spool> {
  return Spool.open({ folder, maxBytes, kinds: KINDS });
}

function append(spool: Spool, kind: string, text: string): Promise<boolean> {
  return spool.append(kind, encoder.encode(text), text.split("\n").length - 1);
}

/** Takes all lines of a kind out of the spool; those that may have arrived have a "!" before them. */
async function drain(spool: Spool, kind: string, maxBytes = 100): Promise<string[]> {
  const lines: string[] = [];
  for (;;) {
    const taken = await spool.peek(kind, maxBytes);
    if (taken === undefined) return lines;
    const texts = decoder.decode(taken.bytes).trimEnd().split("\n");
    assert.equal(texts.length, taken.lines);
    lines.push(...texts.map((text) => taken.repeated ? `!${text}` : text));
    await spool.done(kind);
  }
}

function segments(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) => name !== "cursor")
    .sort();
}

Deno.test("Spool gives lines back in order, several records at a time, and leaves no file behind", () =>
  withFolder(async (folder) => {
    const spool = await open(folder);
    const expected = Array.from({ length: 101 }, (_, i) => `line ${i}`);
    for (const line of expected) assert.ok(await append(spool, "event", `${line}\n`));
    assert.equal(spool.queue("event").lines, 101);
    assert.equal(spool.queue("metric").lines, 0);
    assert.deepEqual(await drain(spool, "event"), expected);
    assert.deepEqual(segments(`${folder}/event`), []);
    assert.deepEqual([spool.queue("event").lines, spool.queue("event").bytes], [0, 0]);
    await append(spool, "event", "again\n");
    assert.deepEqual(await drain(spool, "event"), ["again"]);
    await spool.close();
  }));

Deno.test("Spool gives a record that is larger than asked for", () =>
  withFolder(async (folder) => {
    const spool = await open(folder);
    const long = "x".repeat(5000);
    await append(spool, "metric", `${long}\n`);
    await append(spool, "metric", "short\n");
    assert.deepEqual(await drain(spool, "metric"), [long, "short"]);
    await spool.close();
  }));

Deno.test("Spool keeps many lines as a tenth of their size, and gives no more at once than asked for", () =>
  withFolder(async (folder) => {
    const spool = await open(folder);
    const text = Array.from({ length: 1009 }, (_, i) => `{"metric": "value", "n": "${i}"}\n`).join(
      "",
    );
    for (let i = 0; i < 5; i++) {
      assert.ok(await spool.append("metric", encoder.encode(text), 1009));
    }
    assert.ok(spool.queue("metric").bytes < 5 * text.length / 4);
    const taken = await spool.peek("metric", 2 * text.length + 1);
    assert.equal(decoder.decode(taken!.bytes), text + text);
    await spool.done("metric");
    assert.equal((await drain(spool, "metric", 10)).length, 3 * 1009);
    await spool.close();
  }));

Deno.test("Spool goes on after a restart where it was, and marks what may have arrived", () =>
  withFolder(async (folder) => {
    const first = await open(folder);
    for (const line of ["a", "b", "c"]) await append(first, "event", `${line}\n`);
    await first.peek("event", 1);
    await first.done("event");
    const sending = await first.peek("event", 1);
    assert.equal(decoder.decode(sending!.bytes), "b\n");
    // The process ends here, without a word.
    const second = await open(folder);
    assert.equal(second.queue("event").lines, 2);
    await append(second, "event", "d\n");
    assert.deepEqual(await drain(second, "event"), ["!b", "c", "d"]);
    await first.close();
    await second.close();
  }));

Deno.test("Spool does not mark what was taken and put back", () =>
  withFolder(async (folder) => {
    const first = await open(folder);
    await append(first, "event", "a\n");
    await first.peek("event", 1);
    await first.undone("event");
    await first.close();
    const second = await open(folder);
    assert.deepEqual(await drain(second, "event"), ["a"]);
    await second.close();
  }));

Deno.test("Spool cuts off a record that the end of a process left unfinished, and counts it", () =>
  withFolder(async (folder) => {
    const first = await open(folder);
    await append(first, "event", "whole\n");
    await append(first, "event", "cut short\n");
    await first.close();
    const [name] = segments(`${folder}/event`);
    const path = `${folder}/event/${name}`;
    const { size } = await Deno.stat(path);
    await Deno.truncate(path, size - 3);
    const second = await open(folder);
    assert.equal(second.queue("event").broken, 1);
    await append(second, "event", "later\n");
    assert.deepEqual(await drain(second, "event"), ["whole", "later"]);
    await second.close();
  }));

Deno.test("Spool survives changed bytes anywhere in its files", () =>
  withFolder(async (folder) => {
    const lines = Array.from({ length: 20 }, (_, i) => `line ${i}`);
    for (let at = 0; at < 600; at += 7) {
      const first = await open(folder);
      for (const line of lines) await append(first, "event", `${line}\n`);
      await first.close();
      const path = `${folder}/event/${segments(`${folder}/event`)[0]}`;
      const bytes = await Deno.readFile(path);
      bytes[at % bytes.length]! ^= 0x55;
      await Deno.writeFile(path, bytes);
      await Deno.writeFile(`${folder}/event/cursor`, bytes.subarray(0, at % 40));
      const second = await open(folder);
      const left = await drain(second, "event");
      assert.deepEqual(left, lines.slice(0, left.length));
      assert.ok(left.length < 20);
      assert.equal(second.queue("event").broken, 1);
      await second.close();
    }
  }));

Deno.test("Spool makes room by dropping the oldest of what is less important, and events last", () =>
  withFolder(async (folder) => {
    const spool = await open(folder, 10_400);
    const line = (kind: string, i: number) => `${kind} ${i}`.padEnd(79, ".");
    for (let i = 0; i < 50; i++) await append(spool, "event", `${line("event", i)}\n`);
    for (let i = 0; i < 100; i++) await append(spool, "metric", `${line("metric", i)}\n`);
    const { lines, dropped } = spool.queue("metric");
    assert.ok(lines > 30 && lines < 50, `${lines}`);
    assert.equal(lines + dropped, 100);
    assert.equal(spool.queue("event").lines, 50);
    for (let i = 50; i < 99; i++) assert.ok(await append(spool, "event", `${line("event", i)}\n`));
    assert.equal(spool.queue("metric").lines, 0);
    assert.equal(spool.queue("event").lines, 99);
    assert.equal(await append(spool, "metric", `${line("metric", 100)} too long\n`), false);
    for (let i = 99; i < 120; i++) await append(spool, "event", `${line("event", i)}\n`);
    const left = await drain(spool, "event");
    assert.equal(left.at(-1), line("event", 119));
    assert.equal(left.length + spool.queue("event").dropped, 120);
    assert.equal(
      await append(
        spool,
        "event",
        `${Array.from(crypto.getRandomValues(new Uint16Array(9000))).join("")}\n`,
      ),
      false,
    );
    await spool.close();
  }));

Deno.test("Spool forgets what was dropped while it was being sent", () =>
  withFolder(async (folder) => {
    const spool = await open(folder, 2000);
    for (let i = 0; i < 10; i++) await append(spool, "metric", `${i}\n`);
    await spool.peek("metric", 10);
    for (let i = 0; i < 100; i++) await append(spool, "event", `event ${i}\n`);
    const { lines } = spool.queue("metric");
    await spool.done("metric");
    assert.equal(spool.queue("metric").lines, lines);
    await spool.close();
  }));

async function run(...words: string[]): Promise<boolean> {
  return (await new Deno.Command(words[0]!, { args: words.slice(1), stderr: "null" }).output())
    .success;
}

Deno.test("Spool throws on a full disk, keeps what it has, and takes more when there is room", () =>
  withFolder(async (folder) => {
    if (!await run("mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder)) {
      console.log("skipped: this host lets nobody mount a tmpfs");
      return;
    }
    try {
      const spool = await open(folder, 10 << 20);
      // Random, for it is to fill the disk however it is compressed.
      const random = Array.from(
        crypto.getRandomValues(new Uint8Array(50_000)),
        (byte) => byte % 10,
      );
      const text = `${random.join("")}\n`;
      let kept = 0;
      await assert.rejects(async () => {
        for (;; kept++) await append(spool, "event", text);
      }, /No space left/);
      assert.equal(spool.queue("event").lines, kept);
      await spool.peek("event", 1);
      await spool.done("event");
      assert.equal((await drain(spool, "event")).length, kept - 1);
      assert.ok(await append(spool, "event", text));
      await spool.close();
      const again = await open(folder);
      assert.equal(again.queue("event").lines, 1);
      assert.equal(again.queue("event").broken, 0);
      await again.close();
    } finally {
      await run("umount", folder);
    }
  }));
