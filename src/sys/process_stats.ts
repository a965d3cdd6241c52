// SPDX-License-Identifier: MulanPSL-2.0
/** What this process costs its host, from /proc/self: `status` would tell the memory too, at three times the cost. */
import type { ProcessStats } from "../core/agent_stats.ts";

/** USER_HZ: fixed at 100 on every architecture Linux runs Deno on. */
const TICKS_PER_SECOND = 100;
/** Of both architectures that the program is built for, as they are commonly configured. */
const PAGE_BYTES = 4096;

let startSeconds: number | undefined;

export function processStats(): ProcessStats {
  const stat = Deno.readTextFileSync("/proc/self/stat");
  // The name in parentheses may contain anything, so fields are counted from behind it: the first is the third.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return {
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND,
    ...ownMemory(),
    openFds: countFds(),
    startSeconds: startSeconds ??= bootSeconds() + Number(fields[19]) / TICKS_PER_SECOND,
  };
}

export function ownMemory(): Pick<ProcessStats, "residentBytes" | "anonymousBytes"> {
  const [, resident, shared] = Deno.readTextFileSync("/proc/self/statm").split(" ", 3).map(Number);
  return {
    residentBytes: resident! * PAGE_BYTES,
    anonymousBytes: (resident! - shared!) * PAGE_BYTES,
  };
}

/** Since 6.2 (commit f1f1f2569901) the size of the folder is their number; before, it was 0. */
function countFds(): number {
  const { size } = Deno.statSync("/proc/self/fd");
  if (size > 0) return size;
  let openFds = -1; // without the one that lists them
  for (const _ of Deno.readDirSync("/proc/self/fd")) openFds++;
  return openFds;
}

/** Unix time at which the machine started; later it would follow each change of the clock. */
function bootSeconds(): number {
  const found = /^btime (\d+)/m.exec(Deno.readTextFileSync("/proc/stat"));
  return Number(found?.[1]);
}
