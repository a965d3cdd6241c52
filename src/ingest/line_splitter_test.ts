// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { LineSplitter, MAX_LINE_BYTES } from "./line_splitter.ts";

function split(chunks: readonly string[]): string[] {
  const seen: string[] = [];
  const take = (kind: string) => (bytes: Uint8Array, start: number, end: number) => {
    seen.push(kind + new TextDecoder().decode(bytes.subarray(start, end)));
  };
  const splitter = new LineSplitter({
    line: take(""),
    tooLong: (_, start, end) => seen.push(`long:${end - start}`),
    unfinished: take("rest:"),
  });
  for (const chunk of chunks) splitter.feed(new TextEncoder().encode(chunk));
  splitter.end();
  return seen;
}

Deno.test("LineSplitter gives the same lines wherever the pipe cuts", () => {
  const text = "one\r\n\ntwo\n|three|\r\nfour";
  const wanted = ["one", "", "two", "|three|", "rest:four"];
  for (let first = 0; first <= text.length; first++) {
    for (let second = first; second <= text.length; second++) {
      const chunks = [text.slice(0, first), text.slice(first, second), text.slice(second)];
      assert.deepEqual(split(chunks), wanted, JSON.stringify(chunks));
    }
  }
});

Deno.test("LineSplitter passes the longest line and drops a longer one up to its end", () => {
  const longest = "x".repeat(MAX_LINE_BYTES);
  const cut = `long:${MAX_LINE_BYTES}`;
  assert.deepEqual(split([`${longest}\na\n`]), [longest, "a"]);
  assert.deepEqual(split([longest, "\na\n"]), [longest, "a"]);
  assert.deepEqual(split([`${longest}y\na\n`]), [cut, "a"]);
  assert.deepEqual(split([longest, "y\na\n"]), [cut, "a"]);
  assert.deepEqual(split([longest, "y", "z", "\n", "a\n"]), [cut, "a"]);
  assert.deepEqual(split(["b", longest, "\na\n"]), [cut, "a"]);
  assert.deepEqual(split(["b\n", `${longest}y`]), ["b", cut]);
});

Deno.test("LineSplitter reports a megabyte without newline once", () => {
  const chunks = Array.from({ length: 256 }, () => "z".repeat(4096));
  assert.deepEqual(split([...chunks, "\nafter\n"]), [`long:${MAX_LINE_BYTES}`, "after"]);
});
