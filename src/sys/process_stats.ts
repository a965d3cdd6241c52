// SPDX-License-Identifier: MulanPSL-2.0
/** What this process costs its host, from /proc/self; about 0.1 ms. */
import type { ProcessStats } from "../core/agent_stats.ts";

/** USER_HZ: fixed at 100 on every architecture Linux runs Deno on. */
const TICKS_PER_SECOND = 100;
const KILOBYTE = 1024;

export function processStats(): ProcessStats {
  const stat = Deno.readTextFileSync("/proc/self/stat");
  const status = Deno.readTextFileSync("/proc/self/status");
  const boot = Deno.readTextFileSync("/proc/stat");
  // The name in parentheses may contain anything, so fields are counted from behind it: the first is the third.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ticks = Number(fields[11]) + Number(fields[12]);
  return {
    cpuSeconds: ticks / TICKS_PER_SECOND,
    residentBytes: numberAfter(status, "VmRSS:") * KILOBYTE,
    anonymousBytes: numberAfter(status, "RssAnon:") * KILOBYTE,
    openFds: [...Deno.readDirSync("/proc/self/fd")].length - 1,
    startSeconds: numberAfter(boot, "btime") + Number(fields[19]) / TICKS_PER_SECOND,
  };
}

function numberAfter(text: string, name: string): number {
  const at = text.indexOf(name);
  return at < 0 ? NaN : Number.parseInt(text.slice(at + name.length), 10);
}
