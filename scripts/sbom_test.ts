// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { npmComponents } from "./sbom.ts";

Deno.test("npmComponents gives name, version, address and hash of each package", () => {
  const npm = { "@a/b@1.2.3": { integrity: "sha512-AP8=" }, "c@4.0.0_d@1.0.0": {} };
  const [scoped, peer] = npmComponents({ npm }, (name) => name === "c" ? "MIT" : undefined);
  assert.deepEqual(scoped, {
    type: "library",
    name: "@a/b",
    version: "1.2.3",
    purl: "pkg:npm/%40a/b@1.2.3",
    hashes: [{ alg: "SHA-512", content: "00ff" }],
  });
  assert.equal(peer!.version, "4.0.0");
  assert.deepEqual(peer!.licenses, [{ expression: "MIT" }]);
});

Deno.test("npmComponents refuses what it does not understand", () => {
  assert.throws(() => npmComponents({ npm: { nonsense: {} } }, () => undefined), /name@version/);
  assert.throws(
    () => npmComponents({ npm: { "a@1": { integrity: "md5" } } }, () => undefined),
    /sha512/,
  );
});
