// SPDX-License-Identifier: MulanPSL-2.0
/** Sends a signal to a process or, with a negative id, to its group; one that has ended gets none. */
export function killIfThere(pid: number, signal: Deno.Signal): void {
  try {
    Deno.kill(pid, signal);
  } catch (error) {
    const isGone = error instanceof Deno.errors.NotFound ||
      (error instanceof Error && "code" in error && error.code === "ESRCH");
    if (!isGone) throw error;
  }
}
