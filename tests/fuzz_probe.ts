// SPDX-License-Identifier: MulanPSL-2.0
/** What holds for every native probe on spoilt text: no exception, and nothing that the text does not say. */
import assert from "node:assert/strict";
import type { NativeProbe } from "../src/core/probe.ts";
import { mutate, randomNumbers } from "./mutate.ts";
import { fixture, type Row, runProbe } from "./run_probe.ts";

const FIXTURES = ["proc-4.19", "proc-5.10", "proc-6.12"] as const;

/** Runs the probe on `rounds` spoilt forms of each of `paths`; `check` looks at every row. */
export function fuzzProbe(
  probe: NativeProbe,
  paths: readonly string[],
  check: (table: string, row: Row) => void,
  rounds = 10_000,
): void {
  const hosts = FIXTURES.map(fixture);
  paths.forEach((path, seed) => {
    const random = randomNumbers(seed + 1);
    const having = hosts.filter((files) => files[path] !== undefined);
    assert.ok(having.length > 0, `no fixture has ${path}`);
    for (let round = 0; round < rounds; round++) {
      const files = having[round % having.length]!;
      const spoilt = mutate(files[path]!, random);
      const second = round % 2 === 0 ? files : { ...files, [path]: mutate(files[path]!, random) };
      for (
        const [table, rows] of Object.entries(
          runProbe(probe, [{ ...files, [path]: spoilt }, second]),
        )
      ) {
        for (const row of rows) {
          for (const [name, value] of Object.entries(row)) {
            if (typeof value === "string") continue;
            assert.ok(Number.isFinite(value), `${path} round ${round}: ${name} is ${value}`);
          }
          check(table, row);
        }
      }
    }
  });
}

/** Cuts each of `paths` short everywhere: what is still reported must be what the whole text says. */
export function cutProbe(
  probe: NativeProbe,
  paths: readonly string[],
  fixtures: readonly string[] = FIXTURES,
): void {
  for (const name of fixtures) {
    const files = fixture(name);
    const whole = runProbe(probe, files);
    for (const path of paths) {
      const text = files[path] ?? "";
      for (let size = 0; size < text.length; size++) {
        const cut = runProbe(probe, { ...files, [path]: text.slice(0, size) });
        for (const [table, rows] of Object.entries(cut)) {
          for (const row of rows) {
            const { keys, labels, distinct = 0 } = probe.tables[table]!;
            const identity = [...keys, ...labels.slice(0, distinct)];
            const full = whole[table]!.find((other) =>
              identity.every((label) => other[label] === row[label])
            );
            assert.deepEqual({ ...full, ...row }, full, `${name}/${path} cut to ${size} bytes`);
          }
        }
      }
    }
  }
}
