// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { hostLabels } from "./identity.ts";

Deno.test("hostLabels reads the machine id below the root, or leaves it empty", async () => {
  const root = await Deno.makeTempDir();
  try {
    assert.deepEqual(hostLabels(root), { machine_id: "", hostname: Deno.hostname() });
    await Deno.mkdir(`${root}/etc`);
    await Deno.writeTextFile(`${root}/etc/machine-id`, "0123abcd\nmore\n");
    assert.equal(hostLabels(root).machine_id, "0123abcd");
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});
