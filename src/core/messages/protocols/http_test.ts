// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { captures, replay, said } from "../../../../tests/message_replay.ts";
import http from "./http.ts";

async function told(name: string) {
  const { pieces } = (await captures("http")).find((capture) => capture.name === name)!;
  return replay(http, pieces).answered.map(([method, , fault, code]) => [method, fault, code]);
}

Deno.test("http tells methods and statuses of curl's requests", async () => {
  assert.deepEqual(await told("curl"), [
    ["GET", "", "200"],
    ["GET", "", "200"],
    ["GET", "client", "404"],
    ["GET", "server", "500"],
    ["GET", "", "200"],
  ]);
  assert.deepEqual(await told("curl HEAD and POST"), [
    ["HEAD", "", "200"],
    ["POST", "", "200"],
    ["GET", "", "200"],
  ]);
});

Deno.test("http takes a body for no message, whatever it looks like", () => {
  const { asked, answered } = replay(http, [
    said("request", "POST /a HTTP/1.1\r\nContent-Length: 18\r\n\r\n"),
    said("request", "GET /b HTTP/1.1\r\n\r"),
    said("response", "HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n"),
    said("response", "HTTP/1.1 500 x\r"),
    said("request", "GET /c HTTP/1.1\r\n\r\n"),
    said("response", "HTTP/1.1 204 No Content\r\n\r\n"),
  ]);
  assert.deepEqual(asked, ["POST", "GET"]);
  assert.deepEqual(answered.map(([method, , , code]) => [method, code]), [
    ["POST", "200"],
    ["GET", "204"],
  ]);
});

Deno.test("http reads requests that share a piece, and waits for the answer behind 100 Continue", () => {
  const { answered, unpaired } = replay(http, [
    said("request", "GET /a HTTP/1.1\r\n\r\nPUT /b HTTP/1.1\r\n\r\n"),
    said("response", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"),
    said("response", "HTTP/1.1 201 Created\r\n\r\n"),
  ]);
  assert.deepEqual(answered.map(([method, , , code]) => [method, code]), [
    ["GET", "200"],
    ["PUT", "201"],
  ]);
  assert.equal(unpaired, 0);
});

Deno.test("http ends with a connection that becomes another one", () => {
  const upgrade = said("request", "GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n\r\n");
  const { ended } = replay(http, [upgrade, said("response", "HTTP/1.1 101 Switching\r\n\r\n")]);
  assert.equal(ended, true);
});

Deno.test("http pairs no answer with the request behind one whose head it does not know to its end", () => {
  const long = said("request", `GET /a HTTP/1.1\r\nx: ${"y".repeat(300)}\r\n\r\n`);
  const { answered, unpaired } = replay(http, [
    long,
    said("request", "PUT /b HTTP/1.1\r\n\r\n"), // or the first one's body
    said("response", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
    said("request", "GET /c HTTP/1.1\r\n\r\n"),
    said("response", "HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n"), // to PUT
    said("response", "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"),
  ]);
  assert.deepEqual(answered.map(([method, , , code]) => [method, code]), [["GET", "200"]]);
  assert.ok(unpaired > 0);
});
