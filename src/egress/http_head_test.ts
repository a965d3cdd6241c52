// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { BadRequest, endOfHead, parseRequest } from "./http_head.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const parse = (...lines: string[]) => parseRequest(bytes(`${lines.join("\r\n")}\r\n\r\n`));

Deno.test("parseRequest reads method, path and headers", () => {
  const request = parse("GET /metrics?x=1 HTTP/1.1", "Host: a:1", "X-A:  b c \t", "x-a: d", "Y:");
  assert.equal(request.method, "GET");
  assert.equal(request.path, "/metrics");
  assert.equal(request.headers.get("x-a"), "b c, d");
  assert.equal(request.headers.get("y"), "");
  assert.equal(request.keepAlive, true);
});

Deno.test("parseRequest takes absolute targets, and none at all for the root", () => {
  const pathOf = (target: string) => parse(`GET ${target} HTTP/1.1`, "Host: a").path;
  assert.equal(pathOf("http://a:8888/metrics?y"), "/metrics");
  assert.equal(pathOf("http://a:8888"), "/");
  assert.equal(pathOf("?x"), "/");
  assert.equal(pathOf("*"), "*");
  assert.equal(pathOf("//evil/metrics"), "//evil/metrics");
});

Deno.test("parseRequest keeps a connection only where what follows can be found", () => {
  assert.equal(parse("GET / HTTP/1.0").keepAlive, false);
  assert.equal(parse("GET / HTTP/1.1", "Host: a", "Connection: x, Close").keepAlive, false);
  assert.equal(parse("POST / HTTP/1.1", "Host: a", "Content-Length: 5").keepAlive, false);
  assert.equal(parse("POST / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked").keepAlive, false);
  assert.equal(parse("GET / HTTP/1.1", "Host: a", "Content-Length: 0").keepAlive, true);
});

Deno.test("parseRequest refuses what is no HTTP/1.1 request", () => {
  const refused: [number, string[]][] = [
    [400, [""]],
    [400, ["get / HTTP/1.1", "Host: a"]],
    [400, ["GET  / HTTP/1.1", "Host: a"]],
    [400, ["GET /é HTTP/1.1", "Host: a"]],
    [400, ["GET / HTTP/1.1"]],
    [400, ["GET / HTTP/1.1", "Host: a", " folded"]],
    [400, ["GET / HTTP/1.1", "Host : a"]],
    [400, ["GET / HTTP/1.1", "Host: a\nX: b"]],
    [400, ["GET / HTTP/1.1", "Host: a\0"]],
    [400, [`GET /${"a".repeat(3000)} HTTP/1.1`, "Host: a"]],
    [505, ["GET / HTTP/2.0", "Host: a"]],
    [505, ["PRI * HTTP/2.0"]],
  ];
  for (const [status, lines] of refused) {
    const is = (error: unknown) => error instanceof BadRequest && error.status === status;
    assert.throws(() => parse(...lines), is, lines.join("|"));
  }
});

Deno.test("endOfHead finds the empty line wherever reading was interrupted", () => {
  const head = bytes("GET / HTTP/1.1\r\nHost: a\n\r\r\n\r\nrest");
  for (let from = 0; from < head.length - 4; from++) {
    assert.equal(endOfHead(head, from), head.length - 4);
    if (from < head.length - 5) assert.equal(endOfHead(head.subarray(0, from), 0), -1);
  }
});
