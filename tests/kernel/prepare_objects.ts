// SPDX-License-Identifier: MulanPSL-2.0
/** Compiles every program of the kernel tests and every BPF program of the probes for a host without a compiler. Argument: the folder. */
import { prepare, testProgram } from "./test_object.ts";

const [folder] = Deno.args;
if (folder === undefined) throw new Error("no folder given");
const ROOT = new URL("../../", import.meta.url).pathname;
await Promise.all(
  (["bpf", "tests/kernel"] as const).flatMap((source) =>
    [...Deno.readDirSync(ROOT + source)].map(({ name }) => /^(.*)\.bpf\.c$/.exec(name)?.[1])
      .filter((name) => name !== undefined)
      .map((name) => prepare(source, name, folder))
  ),
);
await testProgram("thread_child", folder);
