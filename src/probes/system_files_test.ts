// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { cutProbe, fuzzProbe } from "../../tests/fuzz_probe.ts";
import { fixture, runProbe } from "../../tests/run_probe.ts";
import { Unsupported } from "../core/errors.ts";
import systemFiles from "./system_files.ts";

const FILES = ["file-nr", "inode-nr", "aio-nr", "aio-max-nr"].map((name) => `proc/sys/fs/${name}`);

Deno.test("system_files reports what is open and what may be", () => {
  assert.deepEqual(runProbe(systemFiles, fixture("proc-4.19"))["system_files"], [{
    handles: 2016,
    handles_limit: 785412,
    inodes: 60001,
    unused_inodes: 512,
    aio_requests: 131,
    aio_requests_limit: 65536,
  }]);
});

Deno.test("system_files goes on without inodes, and is unsupported without file-nr", () => {
  const files = { "proc/sys/fs/file-nr": "7\t2\t9\n" };
  assert.deepEqual(runProbe(systemFiles, files)["system_files"], [{
    handles: 5,
    handles_limit: 9,
  }]);
  assert.throws(() => runProbe(systemFiles, {}), Unsupported);
});

Deno.test("system_files reports only what is certain of a file that is cut short", () => {
  cutProbe(systemFiles, FILES);
});

Deno.test("system_files survives spoilt files", () => {
  fuzzProbe(systemFiles, FILES, () => {});
});
