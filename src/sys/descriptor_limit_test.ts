// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { Unsupported } from "../core/errors.ts";
import { demandDescriptors, type DescriptorLimit, descriptorLimit } from "./descriptor_limit.ts";

Deno.test("descriptorLimit finds both limits, also those that are none", () => {
  const line = "Max open files            1024                 unlimited            files     \n";
  assert.deepEqual(descriptorLimit(`Max file locks  7  8  locks\n${line}`), {
    soft: 1024,
    hard: Infinity,
  });
  const own = descriptorLimit(Deno.readTextFileSync("/proc/self/limits"));
  assert.ok(own.soft > 0 && own.hard >= own.soft);
});

Deno.test("demandDescriptors raises a limit that is too low as far as it may, and refuses what is not enough", () => {
  const raised: DescriptorLimit[] = [];
  const demand = (soft: number, hard: number) =>
    demandDescriptors({ soft, hard }, (limit) => raised.push(limit));
  demand(1024, 4096);
  demand(4096, 4096);
  assert.deepEqual(raised, []);
  demand(64, Infinity);
  demand(64, 600);
  assert.deepEqual(raised, [{ soft: 1024, hard: Infinity }, { soft: 600, hard: 600 }]);
  assert.throws(() => demand(64, 64), (error) => {
    assert.ok(error instanceof Unsupported);
    assert.match(error.message, /needs 512 open files, the limit of this process is 64/);
    return true;
  });
});
