// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { ProbeLog } from "./probe_log.ts";

function setUp() {
  const lines: string[] = [];
  const clock = { now: 0 };
  const log = new ProbeLog((level, text) => lines.push(`${level}: ${text}`), () => clock.now);
  const write = (text: string) => log.line(new TextEncoder().encode(text), "info");
  return { lines, clock, log, write };
}

Deno.test("ProbeLog takes the level from the start of the line", () => {
  const { lines, write } = setUp();
  for (const text of ["[WARN] a", "[ERROR]b", " [DEBUG]  c", "[INFO] d", "e [WARN]", "[FATAL] f"]) {
    write(text);
  }
  const wanted = [
    "warn: a",
    "error: b",
    "debug: c",
    "info: d",
    "info: e [WARN]",
    "info: [FATAL] f",
  ];
  assert.deepEqual(lines, wanted);
});

Deno.test("ProbeLog makes lines visible and cuts them", () => {
  const { lines, write } = setUp();
  write("\x1b[31mred");
  write("x".repeat(8000));
  assert.equal(lines[0], "info: \\x1b[31mred");
  assert.equal(lines[1]!.length, "info: ".length + 500);
});

Deno.test("ProbeLog passes 20 lines a second and tells how many it kept back", () => {
  const { lines, clock, log, write } = setUp();
  for (let i = 0; i < 31; i++) write(`line ${i}`);
  assert.equal(lines.length, 20);
  assert.equal(log.suppressed, 11);
  clock.now = 1000;
  write("later");
  assert.deepEqual(lines.slice(20), [
    "warn: 11 lines were not logged: more than 20 in a second",
    "info: later",
  ]);
});
