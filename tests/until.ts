// SPDX-License-Identifier: MulanPSL-2.0
/** Waiting for what comes about in this process or in the kernel without an event that could be awaited. */
import assert from "node:assert/strict";

const POLLS = 6000;
const PAUSE_MS = 10;

/** Resolves when it holds; fails after about a minute, saying what never did. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let poll = 0; poll < POLLS; poll++) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  assert.fail(`never: ${what}`);
}
