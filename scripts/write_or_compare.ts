// SPDX-License-Identifier: MulanPSL-2.0
/** For scripts that write files of the tree from other ones: writes what differs, or with --check says so. */

const ROOT = new URL("../", import.meta.url);

/** Paths from the root of the tree, each with its text. Gives the exit code. */
export async function writeOrCompare(files: readonly (readonly [string, string])[]) {
  const check = Deno.args.includes("--check");
  let stale = 0;
  for (const [name, text] of files) {
    const path = new URL(name, ROOT);
    if (await readOrEmpty(path) === text) continue;
    stale++;
    if (check) console.error(`${name} is not what the scripts write: run scripts/build.sh`);
    else {
      await Deno.mkdir(new URL(".", path), { recursive: true });
      await Deno.writeTextFile(path, text);
      console.log(`wrote ${name}`);
    }
  }
  return check && stale > 0 ? 1 : 0;
}

async function readOrEmpty(path: URL): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}
