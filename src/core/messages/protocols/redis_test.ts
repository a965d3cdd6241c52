// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { captures, replay, said } from "../../../../tests/message_replay.ts";
import redis from "./redis.ts";

const asks = (...words: string[]) =>
  said(
    "request",
    `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join("")}`,
  );
const answers = (text: string) => said("response", text);

async function told(name: string) {
  const found = (await captures("redis")).filter((capture) => capture.name === name);
  return found.map(({ pieces }) => replay(redis, pieces));
}

Deno.test("redis knows the commands that redis-cli sends, and which of them fail", async () => {
  const [{ asked, answered, waiting }] = await told("redis-cli") as [ReturnType<typeof replay>];
  const sent = "COMMAND SET GET LPUSH LRANGE GET OTHER HSET HGETALL MULTI INCR EXEC";
  assert.deepEqual(asked, sent.split(" "));
  assert.deepEqual(answered.map(([operation]) => operation), sent.split(" "));
  const failed = answered.filter(([, , fault]) => fault !== "").map(([operation]) => operation);
  assert.deepEqual(failed, ["GET", "OTHER"]);
  assert.equal(waiting, 0);
});

Deno.test("redis reads maps, sets, pushes and numbers of RESP 3", async () => {
  const [{ asked, answered }] = await told("redis-cli RESP3") as [ReturnType<typeof replay>];
  const sent = "HELLO COMMAND HSET HGETALL SADD SMEMBERS GET DEBUG INCRBYFLOAT".split(" ");
  assert.deepEqual(asked, sent);
  assert.deepEqual(answered.map(([operation]) => operation), sent);
  assert.deepEqual(answered.map(([, , , code]) => code).slice(3), ["%", ":", "~", "_", "-", "$"]);
});

Deno.test("redis pairs every command of a pipeline that fits into what is known", async () => {
  const [, sets, gets] = await told("redis-benchmark -P 3");
  // Three SETs take 135 bytes, of which 128 are known: that is enough for their names, but not to the end.
  assert.equal(sets!.asked.length, 30);
  assert.equal(gets!.asked.length, 30);
  assert.equal(gets!.answered.length, 30);
  assert.equal(gets!.unpaired, 0);
});

Deno.test("redis takes neither a push nor an attribute for an answer", () => {
  const { answered, unpaired } = replay(redis, [
    asks("GET", "a"),
    answers(">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\na\r\n"),
    answers("|1\r\n$3\r\nttl\r\n:5\r\n$1\r\nb\r\n"),
  ]);
  assert.deepEqual(answered, [["GET", 2000, "", "$"]]);
  assert.equal(unpaired, 0);
});

Deno.test("redis counts the rest of a pipeline that it cannot see, and goes on with the next turn", () => {
  const seen = asks("GET", "a");
  const { bytes } = seen;
  const { asked, answered, unpaired } = replay(redis, [
    { side: "request", bytes, length: bytes.length * 3 },
    answers("$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n"),
    asks("INCR", "a"),
    answers(":2\r\n"),
  ]);
  assert.deepEqual(asked, ["GET", "INCR"]);
  assert.deepEqual(answered.map(([operation, latency]) => [operation, latency]), [
    ["GET", 1000],
    ["INCR", 1000],
  ]);
  assert.equal(unpaired, 3);
});

Deno.test("redis ends with a command that makes the connection a stream", () => {
  assert.equal(replay(redis, [asks("PSYNC", "?", "-1")]).ended, true);
});

Deno.test("redis reads commands that people type", () => {
  const { answered } = replay(redis, [
    said("request", "PING\r\n"),
    answers("+PONG\r\n"),
    said("request", "get a\r\n"),
    answers("$-1\r\n"),
  ]);
  assert.deepEqual(answered.map(([operation]) => operation), ["PING", "GET"]);
});

Deno.test("redis pairs no further where a client has answers taken away, or added", () => {
  assert.equal(replay(redis, [asks("CLIENT", "REPLY", "OFF")]).ended, true);
  assert.equal(replay(redis, [asks("CLIENT", "SETNAME", "REPLY")]).ended, false);
  assert.equal(replay(redis, [asks("SUBSCRIBE", "a", "b")]).ended, true);
});
