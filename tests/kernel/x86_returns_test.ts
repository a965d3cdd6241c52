// SPDX-License-Identifier: MulanPSL-2.0
/** Returns of real functions beside what the disassembler of the toolchain finds. */
import assert from "node:assert/strict";
import { EM_X86_64, readElf } from "../../src/core/elf_file.ts";
import { namedFunctions } from "../../src/core/elf_functions.ts";
import { returnOffsets } from "../../src/core/x86_returns.ts";

const LIBC = "/lib/x86_64-linux-gnu/libc.so.6";
const SYMBOL_REGEXP = /^([0-9a-f]{16}) <([^>@]+)(?:@[^>]*)?>:$/;
const RETURN_REGEXP = /^\s+([0-9a-f]+):\s+.*\b(?:rep(?:z)? )?ret[qw]?\b/;

/** Addresses of returns by the address of the function that they are in. */
async function disassembled(): Promise<Map<string, number[]>> {
  const { stdout } = await new Deno.Command("objdump", {
    args: ["--disassemble", "--no-show-raw-insn", LIBC],
  }).output();
  const returns = new Map<string, number[]>();
  let current: number[] = [];
  for (const line of new TextDecoder().decode(stdout).split("\n")) {
    const start = SYMBOL_REGEXP.exec(line);
    if (start !== null) returns.set(start[1]!, current = []);
    const address = RETURN_REGEXP.exec(line)?.[1];
    if (address !== undefined) current.push(parseInt(address, 16));
  }
  return returns;
}

async function exportedNames(): Promise<Set<string>> {
  const { stdout } = await new Deno.Command("nm", { args: ["-D", "--defined-only", LIBC] })
    .output();
  const names = [...new TextDecoder().decode(stdout).matchAll(/ [TW] (\w+)@/g)];
  return new Set(names.map(([, name]) => name!));
}

Deno.test("returnOffsets finds the returns that objdump finds, in every function of the C library", async () => {
  if (Deno.build.arch !== "x86_64") return console.log("skipped: not an x86-64 machine");
  const file = await Deno.readFile(LIBC);
  const elf = readElf(file);
  const functions = namedFunctions(elf, await exportedNames());
  assert.equal(elf.machine, EM_X86_64);
  const expected = await disassembled();
  const ranges = [...expected.keys()].map((text) => parseInt(text, 16));
  let compared = 0;
  for (const [name, { offset, size }] of functions) {
    // A library's code has the same offset in the file as in memory.
    const text = offset.toString(16).padStart(16, "0");
    const wanted = expected.get(text);
    if (wanted === undefined || size === 0) continue;
    // A function with another symbol inside is two to the disassembler.
    if (ranges.some((start) => start > offset && start < offset + size)) continue;
    const found = returnOffsets(file.subarray(offset, offset + size));
    assert.deepEqual(
      found?.map((at) => at + offset),
      wanted.filter((at) => at < offset + size),
      name,
    );
    compared++;
  }
  assert.ok(compared > 1000, `${compared} functions`);
  console.log(`${compared} functions`);
});

Deno.test("returnOffsets gives nothing for what it does not understand", () => {
  const bytes = (...code: number[]) => Uint8Array.from(code);
  assert.deepEqual(returnOffsets(bytes(0x90, 0xc3)), [1]);
  assert.deepEqual(returnOffsets(bytes(0xb8, 0xc3, 0, 0, 0, 0xc3)), [5]);
  assert.equal(returnOffsets(bytes(0x06, 0xc3)), undefined);
  assert.equal(returnOffsets(bytes(0xe8, 0xc3)), undefined);
});
