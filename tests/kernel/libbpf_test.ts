// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { Unsupported } from "../../src/core/errors.ts";
import { installedLibrary, openLibbpf, openLibc } from "../../src/sys/libbpf.ts";

function fds(): number {
  return [...Deno.readDirSync("/proc/self/fd")].length;
}

Deno.test("openLibbpf opens from memory, several times and with any fd free, and leaves no fd", () => {
  using _warm = openLibbpf(installedLibrary);
  const before = fds();
  const held: Deno.FsFile[] = [];
  try {
    for (let i = 0; i < 4; i++) {
      using libbpf = openLibbpf(installedLibrary);
      assert.ok(libbpf.cpus >= navigator.hardwareConcurrency);
      held.push(Deno.openSync("/dev/null")); // the next round gets other fd numbers
    }
  } finally {
    for (const file of held) file.close();
  }
  assert.equal(fds(), before);
});

Deno.test("openLibbpf is unsupported with bytes that are no library, and leaves no fd", () => {
  const before = fds();
  for (const broken of ["libz.so.1", "libbpf.so.1"]) {
    const embedded = (name: string) =>
      name === broken ? new TextEncoder().encode("garbage") : installedLibrary(name);
    assert.throws(() => openLibbpf(embedded), Unsupported, broken);
  }
  assert.throws(() => openLibbpf(() => new Uint8Array(0)), Unsupported);
  assert.throws(() =>
    openLibbpf((name) => {
      throw new Deno.errors.NotFound(name);
    }), /Cannot open libbpf: libz.so.1/);
  assert.equal(fds(), before);
});

Deno.test("Libbpf tells errno and its name", () => {
  using libbpf = openLibbpf(installedLibrary);
  const path = new TextEncoder().encode("/no/such/file\0");
  assert.equal(libbpf.libc.open(path, 0, 0), -1);
  assert.equal(libbpf.lastFailure("open", "/no/such/file").code, "ENOENT");
});

Deno.test("openLibc stays open for others when one of its users closes it, twice too", () => {
  const one = openLibc();
  const other = openLibc();
  one.close();
  one.close();
  assert.ok(other.symbols.getpagesize() > 0);
  other.close();
  const later = openLibc();
  assert.ok(later.symbols.getpagesize() > 0);
  later.close();
});
