// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { mutateBytes, randomNumbers } from "../../tests/mutate.ts";
import { codeOffset, smallElf } from "../../tests/small_elf.ts";
import { readElf } from "./elf_file.ts";
import { DYNSYM, namedFunctions, SYMTAB } from "./elf_functions.ts";

const code = new Uint8Array(64).fill(0xc3);
const SYMBOLS = [
  { name: "gc_collect_main", at: 16, size: 20 },
  { name: "other", at: 0, size: 16 },
];
const whole = smallElf({ code, symbols: SYMBOLS });
const wanted = new Set(["gc_collect_main", "not_there"]);

Deno.test("namedFunctions finds a function by the names that a file keeps for itself", () => {
  const functions = namedFunctions(readElf(whole), wanted, SYMTAB);
  assert.deepEqual([...functions], [["gc_collect_main", { offset: codeOffset(16), size: 20 }]]);
  assert.equal(namedFunctions(readElf(whole), wanted, DYNSYM).size, 0);
});

Deno.test("readElf refuses what is no 64-bit little-endian ELF file", () => {
  assert.throws(() => readElf(new Uint8Array(0)), RangeError);
  assert.throws(
    () => readElf(new TextEncoder().encode("#!/usr/bin/python3\n".repeat(9))),
    RangeError,
  );
  const other = whole.slice();
  other[4] = 1;
  assert.throws(() => readElf(other), /not a 64-bit/);
});

Deno.test("namedFunctions survives 10,000 spoilt files", () => {
  const random = randomNumbers(11);
  const counts = { found: 0, none: 0, refused: 0 };
  for (let i = 0; i < 10_000; i++) {
    const bytes = mutateBytes(whole, random);
    try {
      const functions = namedFunctions(readElf(bytes), wanted, SYMTAB);
      counts[functions.size > 0 ? "found" : "none"]++;
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      counts.refused++;
    }
  }
  assert.ok(Math.min(...Object.values(counts)) > 100, JSON.stringify(counts));
});
