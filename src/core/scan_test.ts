// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { randomNumbers } from "../../tests/mutate.ts";
import { COLON, Scanner, word, WordList } from "./scan.ts";

const over = (text: string) => new Scanner().over(word(text));

function numbers(text: string, count: number): number[] {
  const scan = over(text);
  return Array.from({ length: count }, () => scan.number());
}

Deno.test("number reads the words of a line one by one", () => {
  assert.deepEqual(numbers("1  20\t300\n4", 4), [1, 20, 300, NaN]);
  assert.deepEqual(numbers("-1 0 -0.5 2300.250 007\n", 5), [-1, 0, -0.5, 2300.25, 7]);
});

Deno.test("number is exact up to 2^53 and near beyond", () => {
  assert.equal(over("9007199254740991\n").number(), 9007199254740991);
  assert.equal(over("4294967296\n").number(), 4294967296);
  const largest = over("18446744073709551615\n").number();
  assert.ok(Math.abs(largest / 2 ** 64 - 1) < 1e-15, String(largest));
  assert.equal(over(`${"9".repeat(25)}\n`).number(), NaN);
});

Deno.test("number is NaN for what is not surely a number, and goes behind it", () => {
  assert.deepEqual(numbers("x 1\n", 2), [NaN, 1]);
  for (
    const text of ["12kB", "1.", ".5", "1.2.3", "--1", "-", "0x10", "1e3", "٣", "", "1:", "\u00001"]
  ) {
    assert.deepEqual(numbers(`${text} 7\n`, 2), text === "" ? [7, NaN] : [NaN, 7], text);
  }
});

Deno.test("number is NaN where the text ends without a newline", () => {
  assert.deepEqual(numbers("12 34", 3), [12, NaN, NaN]);
  assert.deepEqual(numbers("", 1), [NaN]);
});

Deno.test("number stays on its line", () => {
  const scan = over("1\n2\n");
  assert.deepEqual([scan.number(), scan.number(), scan.number()], [1, NaN, NaN]);
  assert.equal(scan.nextLine(), true);
  assert.equal(scan.number(), 2);
});

Deno.test("hex reads digits of either case", () => {
  const scan = over("000bd5bf FF zz 0\n");
  assert.deepEqual([scan.hex(), scan.hex(), scan.hex(), scan.hex(), scan.hex()], [
    0xbd5bf,
    255,
    NaN,
    0,
    NaN,
  ]);
  assert.equal(over("0".repeat(17) + "\n").hex(), NaN);
});

Deno.test("word and numberAfter tell cpu from cpu12", () => {
  const scan = over("cpu cpu12 cpux intr cpu1x\n");
  const cpu = word("cpu");
  const found: [boolean, number][] = [];
  while (scan.word()) found.push([scan.is(cpu), scan.numberAfter(cpu)]);
  assert.deepEqual(found, [[true, NaN], [false, 12], [false, NaN], [false, NaN], [false, NaN]]);
});

Deno.test("field takes the text before a byte and trims it", () => {
  const scan = over("cpu MHz\t\t: 2300.000\n  eth0:1\nno colon\n:\n");
  assert.ok(scan.field(COLON));
  assert.deepEqual([scan.text(), scan.number()], ["cpu MHz", 2300]);
  scan.nextLine();
  assert.ok(scan.field(COLON));
  assert.deepEqual([scan.text(), scan.number()], ["eth0", 1]);
  scan.nextLine();
  assert.equal(scan.field(COLON), false);
  scan.nextLine();
  assert.equal(scan.field(COLON), false);
});

Deno.test("nextLine tells a line that is cut short, and ends", () => {
  const scan = over("a\n\nb");
  assert.deepEqual([scan.nextLine(), scan.nextLine(), scan.ended], [true, true, false]);
  assert.deepEqual([scan.nextLine(), scan.ended, scan.nextLine(), scan.word()], [
    false,
    true,
    false,
    false,
  ]);
});

Deno.test("WordList finds words in any order", () => {
  const list = new WordList(["a", "bb", "a:"]);
  const scan = over("bb a: a b a bbb\n");
  const found: number[] = [];
  while (scan.word()) found.push(list.indexOf(scan));
  assert.deepEqual(found, [1, 2, 0, -1, 0, -1]);
  assert.equal(new WordList([]).indexOf(scan), -1);
});

Deno.test("Scanner never throws nor stands still on random bytes", () => {
  const scan = new Scanner();
  const random = randomNumbers(1);
  const alphabet = word(" \n09.-:a\0\u00ff");
  for (let round = 0; round < 2000; round++) {
    const bytes = new Uint8Array(round % 97).map(() => alphabet[random(alphabet.length)]!);
    scan.over(bytes);
    for (let steps = 0; !scan.ended; steps++) {
      assert.ok(steps <= bytes.length, `stands still in round ${round}`);
      scan.field(COLON);
      scan.number();
      scan.word();
      scan.text();
      scan.numberAfter(word("a"));
      scan.hex();
      scan.nextLine();
    }
  }
});
