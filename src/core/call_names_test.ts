// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { callName, errorName } from "./call_names.ts";

const X86_64 = 62;
const AARCH64 = 183;

Deno.test("callName knows the numbers of x86-64, and those that all machines share", () => {
  const names = [0, 1, 74, 257, 334, 424, 435, 450].map((number) => callName(X86_64, number));
  assert.deepEqual(names, [
    "read",
    "write",
    "fsync",
    "openat",
    "rseq",
    "pidfd_send_signal",
    "clone3",
    "set_mempolicy_home_node",
  ]);
  assert.equal(callName(AARCH64, 435), "clone3");
});

Deno.test("callName gives the number of a call that it does not know", () => {
  assert.deepEqual([callName(X86_64, 400), callName(AARCH64, 63)], ["400", "63"]);
});

Deno.test("errorName names errors, and gives the number of one that is none", () => {
  const names = [1, 2, 11, 38, 95, 110, 133, 41, 300, 0].map(errorName);
  assert.deepEqual(names, [
    "EPERM",
    "ENOENT",
    "EAGAIN",
    "ENOSYS",
    "EOPNOTSUPP",
    "ETIMEDOUT",
    "EHWPOISON",
    "41",
    "300",
    "",
  ]);
});
