// SPDX-License-Identifier: MulanPSL-2.0
/** A certificate of its own authority for localhost, as tests of TLS servers want one. */
import assert from "node:assert/strict";

export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** Writes `cert` and `key` into the folder, and gives their texts. */
export async function selfSigned(folder: string): Promise<Certificate> {
  const { success } = await new Deno.Command("openssl", {
    args: [
      ...["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"],
      ...["-addext", "subjectAltName=DNS:localhost", "-keyout", `${folder}/key`],
      ...["-addext", "basicConstraints=critical,CA:FALSE", "-out", `${folder}/cert`],
    ],
    stderr: "null",
  }).output();
  assert.ok(success);
  return {
    cert: await Deno.readTextFile(`${folder}/cert`),
    key: await Deno.readTextFile(`${folder}/key`),
  };
}
