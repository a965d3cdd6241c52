// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { mutateBytes, randomNumbers } from "../../tests/mutate.ts";
import { codeOffset, dataOffset, smallElf } from "../../tests/small_elf.ts";
import { EM_AARCH64, readElf } from "./elf_file.ts";
import { usdtMarks } from "./usdt_marks.ts";

const NOP = 0x90;
const code = new Uint8Array(64).fill(0xcc);
code[7] = code[9] = code[40] = NOP;
code.set([0x0f, 0x1f, 0x44, 0x00, 0x00], 20);
code.set([0x1f, 0x20, 0x03, 0xd5], 28);

const NOTES = [
  { name: "gc__start", at: 7, semaphore: 2 },
  { name: "gc__done", at: 9, semaphore: 4 },
  { name: "gc__start", at: 20, semaphore: 2 },
  { name: "line", at: 0 },
  { provider: "libc", name: "gc__start", at: 1 },
];
const wanted = new Set(["gc__start", "gc__done"]);

function marksOf(bytes: Uint8Array, names: ReadonlySet<string> = wanted) {
  return usdtMarks(readElf(bytes), "python", names);
}

const EXPECTED = [
  { name: "gc__start", offset: codeOffset(7), semaphore: dataOffset(2) },
  { name: "gc__done", offset: codeOffset(9), semaphore: dataOffset(4) },
  { name: "gc__start", offset: codeOffset(20), semaphore: dataOffset(2) },
];

Deno.test("usdtMarks gives the places of a provider's marks and their semaphores", () => {
  assert.deepEqual(marksOf(smallElf({ code, notes: NOTES })), EXPECTED);
});

Deno.test("usdtMarks moves the places by as much as the file was moved", () => {
  assert.deepEqual(marksOf(smallElf({ code, notes: NOTES, moved: 0x7000 })), EXPECTED);
  assert.deepEqual(marksOf(smallElf({ code, notes: NOTES, moved: -0x7000 })), EXPECTED);
});

Deno.test("usdtMarks gives no semaphore where there is none, and nothing for what is not there", () => {
  const bytes = smallElf({ code, notes: [{ name: "gc__done", at: 40 }] });
  assert.deepEqual(marksOf(bytes), [{ name: "gc__done", offset: codeOffset(40), semaphore: 0 }]);
  assert.deepEqual(marksOf(bytes, new Set(["gc__start"])), []);
  assert.deepEqual(marksOf(smallElf({ code })), []);
});

Deno.test("usdtMarks knows the mark of each machine", () => {
  const notes = [{ name: "gc__done", at: 28 }];
  const [mark] = marksOf(smallElf({ machine: EM_AARCH64, code, notes }));
  assert.equal(mark?.offset, codeOffset(28));
  assert.throws(() => marksOf(smallElf({ code, notes })), /points to no mark/);
  const other = smallElf({ machine: 243, code, notes: [{ name: "gc__done", at: 7 }] });
  assert.throws(() => marksOf(other), RangeError);
});

Deno.test("usdtMarks refuses places that are no mark, and semaphores that are no data", () => {
  for (const at of [8, 21, 0x200, -0x2000]) {
    const bytes = smallElf({ code, notes: [{ name: "gc__done", at }] });
    assert.throws(() => marksOf(bytes), /"gc__done" points to no mark/);
  }
  for (const semaphore of [3, 0x200, -0x200000, -0x1000000]) {
    const bytes = smallElf({ code, notes: [{ name: "gc__done", at: 7, semaphore }] });
    assert.throws(() => marksOf(bytes), /semaphore of "gc__done" is no data/, `${semaphore}`);
  }
});

/** The file with its six sections, and the one of notes so many times more. */
function withMoreNotes(bytes: Uint8Array<ArrayBuffer>, times: number): Uint8Array<ArrayBuffer> {
  const view = new DataView(bytes.buffer);
  const start = Number(view.getBigUint64(40, true));
  const sections = bytes.slice(start, start + 6 * 64);
  const many = new Uint8Array(bytes.length + sections.length + 64 * times);
  many.set(bytes);
  many.set(sections, bytes.length);
  for (let i = 0; i < times; i++) {
    many.set(sections.subarray(64, 128), bytes.length + sections.length + 64 * i);
  }
  const header = new DataView(many.buffer);
  header.setBigUint64(40, BigInt(bytes.length), true);
  header.setUint16(60, 6 + times, true);
  return many;
}

Deno.test("usdtMarks bounds what a file can make it do", () => {
  const notes = [{ name: "gc__done", at: 7 }, { name: "line", at: 0 }];
  const many = withMoreNotes(smallElf({ code, notes }), 4000);
  assert.throws(() => marksOf(many), /more than 64 marks/);
  assert.throws(() => marksOf(many, new Set(["gc__start"])), /more than 4096 notes/);
  assert.equal(marksOf(withMoreNotes(smallElf({ code, notes }), 30)).length, 31);
});

Deno.test("usdtMarks survives 10,000 spoilt files: a mark that is one, or a RangeError", () => {
  const random = randomNumbers(7);
  const whole = smallElf({ code, notes: NOTES });
  // Headers, tables, notes and names: all but the space between.
  const places = [...whole.keys()].filter((at) => at < 176 || at >= 0x1000);
  const counts = { same: 0, other: 0, refused: 0 };
  for (let i = 0; i < 10_000; i++) {
    let bytes = whole;
    if (i % 4 === 0) bytes = mutateBytes(whole, random);
    else {
      bytes = whole.slice();
      for (let n = 1 + random(3); n > 0; n--) {
        bytes[places[random(places.length)]!] = random(2)
          ? random(256)
          : [0, 0xff, 0x80][random(3)]!;
      }
    }
    try {
      const marks = marksOf(bytes);
      for (const { offset, semaphore } of marks) {
        assert.ok([NOP, 0x0f, 0x1f].includes(bytes[offset]!), `run ${i}: ${offset}`);
        assert.ok(semaphore >= 0 && semaphore + 2 <= bytes.length, `run ${i}: ${semaphore}`);
      }
      counts[JSON.stringify(marks) === JSON.stringify(EXPECTED) ? "same" : "other"]++;
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      counts.refused++;
    }
  }
  // Otherwise it spoilt nothing that is looked at, or everything.
  assert.ok(Math.min(...Object.values(counts)) > 100, JSON.stringify(counts));
});
