// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { captures, replay } from "../../../../tests/message_replay.ts";
import pgsql from "./pgsql.ts";

async function last(name: string) {
  const found = (await captures("pgsql")).filter((capture) => capture.name === name);
  return replay(pgsql, found.at(-1)!.pieces);
}

Deno.test("pgsql counts the queries of psql, and which of them fail", async () => {
  const { asked, answered, unpaired, waiting } = await last("psql");
  assert.deepEqual(asked, Array(9).fill("Query"));
  assert.equal(answered.length, 9);
  const failed = answered.map(([, , fault], i) => fault === "server" ? i : -1)
    .filter((i) => i >= 0);
  assert.deepEqual(failed, [1, 8]);
  assert.deepEqual([unpaired, waiting], [0, 0]);
});

Deno.test("pgsql tells what the answer to a query begins with", async () => {
  const { answered } = await last("psql");
  assert.deepEqual(answered.map(([, , , code]) => code), [..."TECGTCCCT".slice(0, 8), "E"]);
});

Deno.test("pgsql counts pgbench's transactions in each of its modes", async () => {
  const simple = await last("pgbench -S -M simple");
  assert.deepEqual(simple.asked, Array(5).fill("Query"));
  const extended = await last("pgbench -S -M extended");
  assert.deepEqual(extended.asked, Array(5).fill("Execute"));
  const prepared = await last("pgbench -S -M prepared");
  assert.deepEqual(prepared.asked, ["Prepare", ...Array(5).fill("Execute")]);
  for (const { answered, asked, unpaired } of [simple, extended, prepared]) {
    assert.deepEqual(
      answered.map(([operation, latency]) => [operation, latency]),
      asked.map((it) => [it, 1000]),
    );
    assert.equal(unpaired, 0);
  }
});

Deno.test("pgsql ends where the connection is encrypted", () => {
  const ssl = Uint8Array.of(0, 0, 0, 8, 4, 210, 22, 47);
  const { ended } = replay(pgsql, [
    { side: "request", bytes: ssl, length: 8 },
    { side: "response", bytes: Uint8Array.of(83), length: 1 },
  ]);
  assert.equal(ended, true);
});
