// SPDX-License-Identifier: MulanPSL-2.0
/** What of BPF a process holds in the kernel, and what of it is still there when the process has let go. */
import assert from "node:assert/strict";
import { finished } from "./e2e/run_agent.ts";

/** Ids of BPF links, programs and maps, as `link 5`. */
export type Ids = Set<string>;

/** Those that the file descriptors of the process hold. */
export function heldBy(pid: number): Ids {
  const ids: Ids = new Set();
  for (const { name } of Deno.readDirSync(`/proc/${pid}/fdinfo`)) {
    let text: string;
    try {
      text = Deno.readTextFileSync(`/proc/${pid}/fdinfo/${name}`);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) continue; // closed since it was listed
      throw error;
    }
    for (const [, kind, id] of text.matchAll(/^(link|prog|map)_id:\s+(\d+)$/gm)) {
      ids.add(`${kind} ${id}`);
    }
  }
  return ids;
}

async function inKernel(): Promise<Ids> {
  const ids: Ids = new Set();
  for (const kind of ["link", "prog", "map"]) {
    const { code, out, err } = await finished("bpftool", [kind, "list", "-j"]);
    assert.equal(code, 0, err);
    for (const { id } of JSON.parse(out) as { id: number }[]) ids.add(`${kind} ${id}`);
  }
  return ids;
}

/** Those of them that the kernel still has: it frees some a little after the last descriptor was closed. */
export async function stillThere(held: Ids): Promise<string[]> {
  const now = await inKernel();
  return [...held].filter((id) => now.has(id));
}

/** Waits for that. */
export async function assertGone(held: Ids): Promise<void> {
  let left = await stillThere(held);
  for (let tries = 0; tries < 100 && left.length > 0; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    left = await stillThere(held);
  }
  assert.deepEqual(left, []);
}
