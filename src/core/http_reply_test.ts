// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { mutate, randomNumbers } from "../../tests/mutate.ts";
import { httpReply } from "./http_reply.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const reply = (text: string) => {
  const found = httpReply(bytes(text));
  return found && [found.status, new TextDecoder().decode(found.body)];
};

const PLAIN = "HTTP/1.0 200 OK\r\nServer: x\r\n\r\n[]\n";
const LENGTH = "HTTP/1.1 404 Not Found\r\ncontent-LENGTH: 2\r\n\r\nab";
const CHUNKED = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" +
  "2\r\nab\r\n1;x=y\r\nc\r\n0\r\n\r\n";

Deno.test("reply has status and body, by end, length or chunks", () => {
  assert.deepEqual(reply(PLAIN), [200, "[]\n"]);
  assert.deepEqual(reply(LENGTH), [404, "ab"]);
  assert.deepEqual(reply(`${LENGTH}more`), [404, "ab"]);
  assert.deepEqual(reply(CHUNKED), [200, "abc"]);
});

Deno.test("reply that is cut short is none", () => {
  for (const text of [LENGTH, CHUNKED]) {
    const until = text === CHUNKED ? text.length - 2 : text.length;
    for (let size = 0; size < until; size++) {
      // The last chunk's trailer says nothing more.
      if (text === CHUNKED && text.slice(0, size).endsWith("0\r\n")) continue;
      assert.equal(reply(text.slice(0, size)), undefined, `${size}`);
    }
  }
});

Deno.test("reply that is no HTTP, or has an endless head, is none", () => {
  for (const text of ["", "garbage\r\n\r\n", "HTTP/2 200\r\n\r\n", "HTTP/1.1 2x0\r\n\r\n"]) {
    assert.equal(reply(text), undefined);
  }
  assert.equal(reply(`HTTP/1.1 200 OK\r\nx: ${"y".repeat(20_000)}\r\n\r\n`), undefined);
});

Deno.test("reply survives 10,000 spoilt answers, and no body is longer than what came", () => {
  const random = randomNumbers(13);
  for (let round = 0; round < 10_000; round++) {
    const spoilt = mutate([PLAIN, LENGTH, CHUNKED][round % 3]!, random);
    const found = httpReply(spoilt);
    if (found !== undefined) assert.ok(found.body.length <= spoilt.length);
  }
});
