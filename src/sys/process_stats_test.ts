// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { processStats } from "./process_stats.ts";

Deno.test("processStats tells memory, descriptors and start of this process", () => {
  const stats = processStats();
  const { rss } = Deno.memoryUsage();
  assert.ok(Math.abs(stats.residentBytes - rss) < 0.2 * rss);
  assert.ok(stats.anonymousBytes > 1e6 && stats.anonymousBytes < stats.residentBytes);
  assert.ok(stats.cpuSeconds > 0 && stats.cpuSeconds < 3600);
  const age = Date.now() / 1000 - stats.startSeconds;
  assert.ok(age > -2 && age < 3600, `started ${age} s ago`);
  using _file = Deno.openSync("/proc/self/stat");
  assert.equal(processStats().openFds, stats.openFds + 1);
});
