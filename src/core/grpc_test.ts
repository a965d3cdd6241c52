// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { mutateBytes, randomNumbers } from "../../tests/mutate.ts";
import { GrpcAnswers, grpcQuestion } from "./grpc.ts";

const [DATA, HEADERS, RESET, SETTINGS, PING, GO_AWAY] = [0, 1, 3, 4, 6, 7];
const [END_STREAM, ACK, PADDED] = [1, 1, 8];

function frame(type: number, flags: number, stream: number, ...body: number[]): number[] {
  return [0, body.length >> 8, body.length & 255, type, flags, 0, 0, 0, stream, ...body];
}

const MESSAGE = [7, 8, 9];
const PREFIXED = [0, 0, 0, 0, 3, ...MESSAGE];
const ANSWER = [
  ...frame(SETTINGS!, 0, 0, 0, 3, 0, 0, 0, 100),
  ...frame(SETTINGS!, ACK, 0),
  ...frame(HEADERS!, 4, 1, 0x88),
  ...frame(PING!, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8),
  ...frame(DATA!, 0, 1, ...PREFIXED.slice(0, 6)),
  ...frame(DATA!, PADDED, 1, 2, ...PREFIXED.slice(6), 0, 0),
  ...frame(HEADERS!, 4 | END_STREAM, 1, 0x40),
];

function take(bytes: readonly number[], step = bytes.length, maxBytes = 100) {
  const answers = new GrpcAnswers(maxBytes);
  answers.expect(1);
  const replies: number[] = [];
  for (let at = 0; at < bytes.length; at += step) {
    replies.push(...answers.take(Uint8Array.from(bytes.slice(at, at + step))));
  }
  return { answers, replies };
}

Deno.test("GrpcAnswers finds the message, however the bytes come, and answers settings and pings", () => {
  for (const step of [1, 2, 7, 1000]) {
    const { answers, replies } = take(ANSWER, step);
    assert.ok(answers.ended);
    assert.deepEqual([...answers.message!], MESSAGE);
    assert.deepEqual(replies, [
      ...frame(SETTINGS!, ACK, 0),
      ...frame(PING!, ACK, 0, 1, 2, 3, 4, 5, 6, 7, 8),
    ]);
  }
});

Deno.test("GrpcAnswers has no message of a service that refuses, or of another stream", () => {
  const refused = take(frame(HEADERS!, 4 | END_STREAM, 1, 0x88)).answers;
  assert.deepEqual([refused.ended, refused.message], [true, undefined]);
  const reset = take(frame(RESET!, 0, 1, 0, 0, 0, 8)).answers;
  assert.deepEqual([reset.ended, reset.message], [true, undefined]);
  const other = take(frame(DATA!, END_STREAM, 3, ...PREFIXED)).answers;
  assert.deepEqual([other.ended, other.message], [false, undefined]);
  const cut = take(frame(DATA!, END_STREAM, 1, ...PREFIXED.slice(0, 7))).answers;
  assert.deepEqual([cut.ended, cut.message], [true, undefined]);
});

Deno.test("GrpcAnswers refuses what is no HTTP/2, breaks off or is too long", () => {
  const http = [...new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n\r\n")];
  assert.throws(() => take(http), /no HTTP\/2/);
  assert.throws(() => take(frame(GO_AWAY!, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)), /breaks off/);
  assert.throws(() => take(ANSWER, 7, 5), /more than 5 bytes/);
});

Deno.test("GrpcAnswers fails only with a TypeError, whatever it is told", () => {
  const random = randomNumbers(11);
  for (let round = 0; round < 10_000; round++) {
    try {
      take([...mutateBytes(Uint8Array.from(ANSWER), random)], 50).answers.message;
    } catch (error) {
      assert.ok(error instanceof TypeError && /answer|service/.test(error.message), String(error));
    }
  }
});

Deno.test("grpcQuestion refuses what does not fit", () => {
  const nothing = new Uint8Array();
  assert.throws(() => grpcQuestion(1, "/x", { a: "b".repeat(127) }, nothing), RangeError);
  assert.throws(() => grpcQuestion(1, "/x", {}, new Uint8Array(16384)), RangeError);
});
