// SPDX-License-Identifier: MulanPSL-2.0
/** For tests only: what /proc says of processes that are not children of the test. */

/** Whether it lives; a zombie that only waits for its parent does not. */
export function lives(pid: number): boolean {
  const stat = statOf(pid);
  return stat !== undefined && !/^\d+ \(.*\) [ZX]/s.test(stat);
}

/** Children of this process, zombies too. */
export function countChildren(): number {
  let count = 0;
  for (const { name } of Deno.readDirSync("/proc")) {
    const stat = /^\d+$/.test(name) ? statOf(Number(name)) : undefined;
    const parent = stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[1];
    if (Number(parent) === Deno.pid) count++;
  }
  return count;
}

function statOf(pid: number): string | undefined {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/stat`);
  } catch (error) {
    // ESRCH: it vanished between open and read.
    if (error instanceof Deno.errors.NotFound || String(error).includes("No such process")) {
      return undefined;
    }
    throw error;
  }
}

/** Whether it is gone in time. Nothing but /proc tells the end of a process that is not ours. */
export async function endsWithin(pid: number, milliseconds: number): Promise<boolean> {
  for (const end = performance.now() + milliseconds; lives(pid);) {
    if (performance.now() > end) return false;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return true;
}
