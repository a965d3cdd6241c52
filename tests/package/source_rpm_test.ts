// SPDX-License-Identifier: MulanPSL-2.0
/** The spec builds from a source archive, as a distribution's builder would: without a network. */
import assert from "node:assert/strict";
import { finished, ROOT, withFolder } from "../e2e/run_agent.ts";
import { must } from "./clean_root.ts";

const SPEC = `${ROOT}packaging/gala-gopher.spec`;
const VERSION = "0.1.0";
const STEM = `gala-gopher-${VERSION}`;
const ARCH = Deno.build.arch;

Deno.test("rpmbuild -ba makes both packages from a source archive, without a network", () =>
  withFolder(async (folder) => {
    await Deno.mkdir(`${folder}/SOURCES`);
    const archive = `${folder}/SOURCES/${STEM}.tar.gz`;
    // What is committed, and what is not yet.
    const files = (await must("git", ["-C", ROOT, "ls-files", "-co", "--exclude-standard"]))
      .split("\n").filter((file) => file !== "" && exists(ROOT + file));
    await Deno.writeTextFile(`${folder}/files`, files.join("\n"));
    const named = ["--transform", `s,^,${STEM}/,`, "-T", `${folder}/files`];
    await must("tar", ["-C", ROOT, "-czf", archive, ...named]);
    await must("unshare", [
      "--net",
      "rpmbuild",
      "-ba",
      "--quiet",
      "--nodeps", // rpm does not know what Debian has installed
      ...["--define", `_topdir ${folder}`, "--define", `tools ${ROOT}.tools`],
      ...["--define", "_binary_payload w.ufdio", SPEC],
    ]);
    const source = `${folder}/SRPMS/${STEM}-1.src.rpm`;
    const listed = await must("rpm", ["-qpl", source]);
    assert.deepEqual(listed.trim().split("\n").sort(), [`${STEM}.tar.gz`, "gala-gopher.spec"]);
    const binary = `${folder}/RPMS/${ARCH}/${STEM}-1.${ARCH}.rpm`;
    const [command, root] = ['cd "$2" && rpm2cpio "$1" | cpio -id --quiet', `${folder}/root`];
    await Deno.mkdir(root);
    await must("sh", ["-c", command, "sh", binary, root]);
    const { out } = await finished(`${root}/usr/bin/gala-gopher`, ["--version"]);
    assert.match(out, /^gala-gopher 0\.1\.0/);
  }));

function exists(path: string): boolean {
  try {
    return Deno.lstatSync(path).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
