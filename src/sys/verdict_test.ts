// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { ERRNO } from "./errno.ts";
import { attachRefusal, loadRefusal } from "./verdict.ts";

const SILENT = { program: "p", hook: "fentry/tcp_sendmsg", log: "" };

Deno.test("loadRefusal blames the program for what the verifier found", () => {
  const log = "R1 !read_ok\nprocessed 1 insns";
  assert.deepEqual(loadRefusal({ ...SILENT, errno: ERRNO.EACCES, log }).verdict, {
    program: "p",
    hook: "fentry/tcp_sendmsg",
    state: "failed",
    reason: 'Cannot load "p": EACCES (R1 !read_ok)',
  });
});

Deno.test("loadRefusal names the line of a program that is at fault, and none where the host lacks something", () => {
  const reason = (log: string) =>
    loadRefusal({ ...SILENT, errno: ERRNO.EACCES, log }).error.message;
  const source = "; val->calls++; @ p.bpf.c:45\n6: (79) r1 = *(u64 *)(r0 +0)\n";
  assert.equal(
    reason(`${source}R1 !read_ok\n`),
    'Cannot load "p": EACCES (R1 !read_ok; p.bpf.c:45: val->calls++;)',
  );
  assert.equal(
    reason(`${source}unknown func bpf_loop#181\n`),
    'Cannot load "p": EACCES (unknown func bpf_loop#181)',
  );
});

Deno.test("loadRefusal blames the host for a missing field, helper or hook", () => {
  for (
    const log of [
      "failed to resolve CO-RE relocation <byte_off> [2] struct sock.gone (0:0 @ offset 0)",
      "invalid func unknown#211",
      "unknown func bpf_loop#181",
      "program of this type cannot use helper bpf_probe_read#4",
    ]
  ) {
    assert.equal(
      loadRefusal({ ...SILENT, errno: ERRNO.EINVAL, log }).verdict.state,
      "unsupported",
      log,
    );
  }
  const refused = loadRefusal({ ...SILENT, errno: ERRNO.EPERM }).verdict;
  assert.equal(
    refused.reason,
    'Cannot load "p": EPERM (this kernel refuses fentry programs)',
  );
  assert.match(refused.mend!, /CONFIG_FUNCTION_TRACER/);
});

Deno.test("loadRefusal does not show ENOSPC for a log that was cut", () => {
  const { error } = loadRefusal({ ...SILENT, errno: ERRNO.ENOSPC, log: "R1 !read_ok" });
  assert.equal(error.message, 'Cannot load "p": refused by the verifier (R1 !read_ok)');
});

Deno.test("attachRefusal tells a missing hook from a failure", () => {
  const at = { program: "p", hook: "tracepoint/a/b" };
  assert.deepEqual(attachRefusal({ ...at, errno: ERRNO.ENOENT }).verdict, {
    ...at,
    state: "unsupported",
    reason: 'Cannot attach "p": ENOENT (this kernel has no "tracepoint/a/b")',
  });
  assert.deepEqual(attachRefusal({ ...at, errno: ERRNO.EMFILE }).verdict, {
    ...at,
    state: "failed",
    reason: 'Cannot attach "p": EMFILE',
  });
});
