// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { named, NamedNumbers } from "./named_numbers.ts";
import { counter, gauge } from "./declare.ts";
import type { RowWriter } from "./probe.ts";
import { Scanner } from "./scan.ts";

const FIRST = {
  faults_total: named("pgfault", counter("Faults.", "count")),
  kilo: named("size", gauge("Size.", "bytes"), 1024),
};
const SECOND = {
  faults: named("pgfault", counter("Faults.", "count")),
  other: gauge("Set by the probe itself.", "count"),
};

function shown(numbers: NamedNumbers, table?: number): Record<string, number> {
  const values: Record<string, number> = {};
  const row: RowWriter = {
    row: () => row,
    set: (metric, value) => {
      if (!Number.isNaN(value)) values[metric] = value;
      return row;
    },
    histogram: () => row,
    place: () => -1,
    fill: () => {},
  };
  numbers.show(row, table);
  return values;
}

const scan = (text: string) => new Scanner().over(new TextEncoder().encode(text));

Deno.test("NamedNumbers shows one number in the metrics of several tables", () => {
  const numbers = new NamedNumbers([FIRST, SECOND]);
  numbers.scanLines(scan("nr_free 9\nsize 3\npgfault 17\n"));
  assert.deepEqual(shown(numbers), { faults_total: 17, kilo: 3072 });
  assert.deepEqual(shown(numbers, 1), { faults: 17 });
});

Deno.test("NamedNumbers forgets the last reading, and takes the first of two lines of one name", () => {
  const numbers = new NamedNumbers([FIRST]);
  numbers.scanLines(scan("size 3\npgfault 17\n"));
  numbers.scanLines(scan("pgfault 18\npgfault 19\npgfaults 20\nsize x\nsize 2"));
  assert.deepEqual(shown(numbers), { faults_total: 18 });
  assert.equal(numbers.known, true);
  numbers.scanLines(scan(""));
  assert.equal(numbers.known, false);
});
