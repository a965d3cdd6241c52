// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { LoopLag } from "./loop_lag.ts";

Deno.test("LoopLag adds up delays and forgets the longest after a minute", () => {
  let now = 0;
  using lag = new LoopLag(() => now);
  for (const [step, total, max] of [[1000, 0, 0], [1100, 100, 100], [1040, 140, 100]] as const) {
    now += step;
    lag.look();
    assert.equal(Math.round(lag.stats.totalSeconds * 1000), total);
    assert.equal(Math.round(lag.stats.maxSeconds * 1000), max);
    assert.deepEqual(lag.stats, lag.stats);
  }
  for (let looks = 0; looks < 61; looks++) {
    now += 1000;
    lag.look();
  }
  assert.equal(lag.stats.maxSeconds, 0);
  now += 3_600_000;
  lag.look();
  assert.equal(Math.round(lag.stats.maxSeconds), 3599);
});
