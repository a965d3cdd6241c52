// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { captures, replay } from "../../../../tests/message_replay.ts";
import mysql from "./mysql.ts";

Deno.test("mysql counts the commands of MariaDB's client, and which of them fail", async () => {
  const { pieces } = (await captures("mysql"))[0]!;
  const { asked, answered, unpaired, waiting, ended } = replay(mysql, pieces);
  // USE is two: the client asks for the present database first.
  const sent = "Query Query Query InitDB Query Query Query Query Query Query";
  assert.deepEqual(asked, sent.split(" "));
  assert.deepEqual(answered.map(([operation]) => operation), asked);
  const failed = answered.filter(([, , fault]) => fault === "server");
  assert.equal(failed.length, 1);
  assert.ok(answered.every(([, latency]) => latency === 1000));
  assert.deepEqual([unpaired, waiting, ended], [0, 0, true]);
});

Deno.test("mysql ends where the connection is encrypted", () => {
  const bytes = new Uint8Array(36);
  bytes.set([32, 0, 0, 1, 0, 0x08]);
  const { ended } = replay(mysql, [{ side: "request", bytes, length: 36 }]);
  assert.equal(ended, true);
});

Deno.test("mysql waits for no answer to a command that has none", () => {
  const close = Uint8Array.of(5, 0, 0, 0, 25, 1, 0, 0, 0);
  const { asked } = replay(mysql, [{ side: "request", bytes: close, length: close.length }]);
  assert.deepEqual(asked, []);
});

Deno.test("mysql pairs none of two commands that come before an answer", () => {
  const bytes = Uint8Array.of(2, 0, 0, 0, 3, 65);
  const query = { side: "request", bytes, length: bytes.length } as const;
  const ok = Uint8Array.of(7, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0);
  const answer = { side: "response", bytes: ok, length: ok.length } as const;
  const { answered, unpaired } = replay(mysql, [query, query, answer, answer, query, answer]);
  assert.ok(answered.length <= 1);
  assert.ok(unpaired >= 2);
});
