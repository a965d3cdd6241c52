// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { BAD_NUMBER, readNumber } from "./line_number.ts";

function read(text: string): number {
  const bytes = new TextEncoder().encode(`|${text}|`);
  return readNumber(bytes, 1, bytes.length - 1);
}

Deno.test("readNumber reads what Number reads, to the last bit", () => {
  const texts = [
    "0",
    "-0",
    "+7",
    "42",
    "-42",
    "0.1",
    "3.",
    ".5",
    "123456789012345",
    "0.000000000000001",
  ];
  texts.push(
    "9007199254740993",
    "18446744073709551615",
    "1e5",
    "1E-7",
    "-2.5e+3",
    "0.30000000000000004",
  );
  texts.push("179769313486231570000", "000000000000000000000000012", "1.7976931348623157e308");
  let seed = 12345;
  const random = () => (seed = (seed * 1103515245 + 12345) % 2147483648) / 2147483648;
  for (let i = 0; i < 2000; i++) {
    texts.push((random() * 10 ** Math.floor(random() * 20)).toFixed(Math.floor(random() * 12)));
  }
  for (const text of texts) assert.ok(Object.is(read(text), Number(text)), text);
});

Deno.test("readNumber takes blanks around a number", () => {
  assert.equal(read("  5\t"), 5);
});

Deno.test("readNumber reads absent values as not known", () => {
  for (const text of ["", "  ", "(null)", "nan", "-nan", "NaN", "inf", "-Infinity"]) {
    assert.ok(Number.isNaN(read(text)), text);
  }
});

Deno.test("readNumber refuses what is no decimal number", () => {
  const texts = [
    "x",
    "1x",
    "0x10",
    "1,5",
    "1.2.3",
    "--1",
    "+",
    "-",
    ".",
    "1e",
    "1e+",
    "1 2",
    "1_000",
  ];
  texts.push("१", "null", "true", "1e999", "-1e999", "9".repeat(500), "5s", "50%", "0b1", "1n");
  for (const text of texts) assert.equal(read(text), BAD_NUMBER, text);
});
