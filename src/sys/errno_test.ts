// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { errnoName } from "./errno.ts";

Deno.test("errnoName names errors of the kernel and of libbpf, and shows others as numbers", () => {
  const names = [1, 28, 524, 4005, 300].map(errnoName);
  assert.deepEqual(names, ["EPERM", "ENOSPC", "ENOTSUPP", "LIBBPF_ERRNO__RELOC", "errno 300"]);
});
