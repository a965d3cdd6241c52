// SPDX-License-Identifier: MulanPSL-2.0
/** Beside du. */
import assert from "node:assert/strict";
import { LibcHostCalls } from "./host_calls.ts";
import { treeBytes } from "./tree_bytes.ts";

async function withTree(work: (root: string) => Promise<void>): Promise<void> {
  const root = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${root}/var/log/deep/er`, { recursive: true });
    await Deno.writeTextFile(`${root}/var/log/a`, "x".repeat(12_345));
    await Deno.writeTextFile(`${root}/var/log/deep/er/with blanks\n`, "y".repeat(77));
    await Deno.link(`${root}/var/log/a`, `${root}/var/log/deep/same`);
    await Deno.symlink("/etc", `${root}/var/log/deep/link`);
    await Deno.symlink("var/log", `${root}/way`);
    await work(root);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

async function du(path: string): Promise<number> {
  const { stdout } = await new Deno.Command("du", { args: ["-sbx", path] }).output();
  return parseInt(new TextDecoder().decode(stdout));
}

Deno.test("treeBytes counts what du -sbx counts, before and after something was written", async () => {
  await withTree(async (root) => {
    assert.equal(await treeBytes(root, "/var/log"), await du(`${root}/var/log`));
    const before = await treeBytes(root, "/");
    assert.equal(before, await du(root));
    await Deno.writeTextFile(`${root}/var/log/a`, "z".repeat(1009), { append: true });
    assert.equal(await treeBytes(root, "/"), before! + 1009);
  });
});

Deno.test("treeBytes knows nothing of a folder that is not there, no folder, or behind a link", async () => {
  await withTree(async (root) => {
    for (
      const folder of ["/none", "/var/log/a", "/way", "/way/deep", "/var/../var", "/var/log/a/b"]
    ) {
      assert.equal(await treeBytes(root, folder), undefined, folder);
    }
    assert.equal(await treeBytes(`${root}/none`, "/"), undefined);
  });
});

Deno.test("treeBytes of host calls looks through the eyes of the process", async () => {
  using calls = new LibcHostCalls();
  await withTree(async (root) => {
    const all = await Promise.all([
      calls.treeBytes(Deno.pid, `${root}/var/log`),
      calls.treeBytes(Deno.pid, `${root}/var/none`),
      calls.treeBytes(4194304, "/"),
    ]);
    assert.deepEqual(all, [await du(`${root}/var/log`), undefined, undefined]);
  });
});
