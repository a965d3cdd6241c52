// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { Refusals, visibleText } from "./refusals.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("Refusals count all and keep the last 20", () => {
  const refusals = new Refusals();
  for (let i = 0; i < 47; i++) {
    const line = bytes(`|t|${i}|`);
    refusals.refuse(i % 2 === 0 ? "bad_number" : "unknown_table", line, 0, line.length, "size");
  }
  assert.deepEqual(refusals.counts, { bad_number: 24, unknown_table: 23 });
  assert.equal(refusals.lines.length, 20);
  assert.deepEqual(refusals.lines[0], { reason: "unknown_table", field: "size", text: "|t|27|" });
  assert.equal(refusals.lines[19]!.text, "|t|46|");
});

Deno.test("visibleText shows what does not print, and cuts", () => {
  assert.equal(visibleText(bytes("a\0b\x1b[31m\t\x7f")), "a\\x00b\\x1b[31m\\x09\\x7f");
  assert.equal(visibleText(bytes("Grüße \u202e 你")), "Grüße \\u{202e} 你");
  assert.equal(visibleText(Uint8Array.of(97, 0xff, 0xc3, 98)), "a\\xff\\xc3b");
  assert.equal(visibleText(bytes("x".repeat(200))), "x".repeat(200));
  assert.equal(visibleText(bytes("x".repeat(201))), `${"x".repeat(197)}...`);
  assert.equal(visibleText(bytes("é".repeat(500))), `${"é".repeat(197)}...`);
  for (let shift = 0; shift < 4; shift++) {
    const text = visibleText(bytes("x".repeat(shift) + "𝄞".repeat(400)));
    assert.ok(text.length <= 200 && text.isWellFormed() && text.endsWith("..."), text);
    assert.ok(!text.includes("\\x"), text);
  }
});
