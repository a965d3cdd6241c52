// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { KernelError } from "../core/errors.ts";
import { ERRNO } from "./errno.ts";
import { writeWhole } from "./write_whole.ts";

Deno.test("writeWhole writes all to a stream that takes parts and refuses at times", () => {
  const taken: number[] = [];
  let calls = 0;
  writeWhole(7, "größer als drei\n", (fd, bytes) => {
    assert.equal(fd, 7);
    calls++;
    if (calls % 3 === 1) return -ERRNO.EAGAIN;
    if (calls % 3 === 2) return -ERRNO.EINTR;
    const part = bytes.subarray(0, 3);
    taken.push(...part);
    return part.length;
  });
  assert.equal(new TextDecoder().decode(Uint8Array.from(taken)), "größer als drei\n");
});

Deno.test("writeWhole stops when the reader has gone, and throws what else goes wrong", () => {
  let calls = 0;
  const failing = (errno: number) => () => {
    calls++;
    return -errno;
  };
  writeWhole(1, "text", failing(ERRNO.EPIPE));
  assert.equal(calls, 1);
  assert.throws(() => writeWhole(1, "text", failing(ERRNO.ENOSPC)), KernelError);
});
