// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { isPseudo, parseMountinfo, visibleFileSystems } from "./mountinfo.ts";

const parse = (text: string) => parseMountinfo(new TextEncoder().encode(text));
const paths = (text: string) => visibleFileSystems(parse(text)).map(({ path }) => path);

Deno.test("parseMountinfo reads a line with any number of optional fields", () => {
  const line = (optional: string) =>
    `36 35 98:0 /mnt1 /mnt2 rw,noatime ${optional}- ext3 /dev/root ro,errors=continue\n`;
  for (const optional of ["", "master:1 ", "shared:1 master:2 unbindable "]) {
    assert.deepEqual(parse(line(optional)), [{
      id: "36",
      path: "/mnt2",
      device: "98:0",
      root: "/mnt1",
      type: "ext3",
      source: "/dev/root",
      isRemote: false,
      isReadOnly: true,
      isPrompt: true,
    }]);
  }
});

Deno.test("parseMountinfo reads blanks, newlines and backslashes of names", () => {
  const [mount] = parse(String.raw`1 0 0:9 / /a\040b\011c\012d\134e rw - tmpfs x\134040 rw` + "\n");
  assert.equal(mount!.path, "/a b\tc\nd\\e");
  assert.equal(mount!.source, "x\\040");
});

Deno.test("parseMountinfo leaves out what is cut short", () => {
  const line = "36 35 98:0 / /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n";
  for (let size = 0; size < line.length; size++) {
    assert.deepEqual(parse(`${line}${line.slice(0, size)}`).length, 1, String(size));
    assert.deepEqual(parse(`${line.slice(0, size)}\n${line}`).at(-1)!.path, "/mnt2");
  }
});

Deno.test("visibleFileSystems takes each file system once, at its own root or its shortest path", () => {
  const text = "1 0 8:1 /srv /a rw - ext4 /dev/a rw\n2 0 8:1 / /long/path rw - ext4 /dev/a rw\n" +
    "3 0 8:1 / /longer/path rw - ext4 /dev/a rw\n4 0 8:2 /x /yyy rw - ext4 /dev/b rw\n" +
    "5 0 8:2 /x /z rw - ext4 /dev/b rw\n";
  assert.deepEqual(paths(text), ["/long/path", "/z"]);
});

Deno.test("visibleFileSystems takes the mount that covers another at the same path", () => {
  const text = "1 0 0:1 / /x rw - autofs s rw\n2 0 0:2 / /x rw - nfs4 n:/x rw\n";
  assert.deepEqual(visibleFileSystems(parse(text)).map(({ type }) => type), ["nfs4"]);
  assert.ok(isPseudo("autofs") && !isPseudo("nfs4"));
});

Deno.test("parseMountinfo tells mounts that depend on another program or host", () => {
  const remote = (type: string, source: string) =>
    parse(`1 0 0:1 / /x rw - ${type} ${source} rw\n`)[0]!.isRemote;
  assert.deepEqual(
    [["nfs", "h:/x"], ["fuseblk", "/dev/sdb1"], ["fuse.sshfs", "h:"], ["9p", "share"]].map(
      ([type, source]) => remote(type!, source!),
    ),
    [true, true, true, true],
  );
  assert.deepEqual([remote("tmpfs", "tmpfs"), remote("xfs", "/dev/sda")], [false, false]);
});

Deno.test("parseMountinfo tells mounts that answer from memory, and lie below nothing that does not", () => {
  const mounts = [["/", "ext4"], ["/sys", "sysfs"], ["/sys/t", "tmpfs"], ["/home", "nfs4"]];
  mounts.push(["/home/a/t", "tmpfs"], ["/homely", "tmpfs"], ["/x", "xfs"], ["/x/t", "tmpfs"]);
  mounts.push(["/auto", "autofs"], ["/auto/t", "tmpfs"], ["/t", "tmpfs"], ["/t", "fuse.x"]);
  const text = mounts.map(([path, type]) => `1 0 0:1 / ${path} rw - ${type} s rw\n`).join("");
  const prompt = parse(text).filter(({ isPrompt }) => isPrompt).map(({ path }) => path);
  assert.deepEqual(prompt, ["/", "/sys/t", "/homely"]);
});
