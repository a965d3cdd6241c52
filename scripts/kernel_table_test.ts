// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { currentPage, kernelPage, lasting, readRecords, type Verdict } from "./kernel_table.ts";

const hook = (program: string, state: string, reason?: string) => (
  { program, hook: "tp_btf/x", state, ...(reason !== undefined && { reason }) }
);
const verdict = (...hooks: Verdict["hooks"]): Verdict => (
  { name: "tcp", kind: "ebpf", state: "running", hooks }
);

Deno.test("docs/kernels.md is what the recorded outputs of doctor give", async () => {
  assert.deepEqual([...readRecords().keys()], ["6.1", "6.12"]);
  const page = await Deno.readTextFile(new URL("../docs/kernels.md", import.meta.url));
  assert.equal(page, await currentPage());
});

Deno.test("kernelPage has a line a program, with its state on each kernel, and the reasons", () => {
  const page = kernelPage(
    new Map([
      ["6.1", [verdict(hook("new", "unsupported", 'a|b; "old" does it'), hook("old", "attached"))]],
      ["6.12", [verdict(hook("new", "attached"))]],
    ]),
  );
  for (
    const line of [
      "| tcp | ebpf | runs | runs |",
      "| tcp | new | tp_btf/x | unsupported | attached |",
      "| tcp | old | tp_btf/x | attached | not asked for |",
      'On 6.1:\n\n| probe | program | hook | state | reason |\n| --- | --- | --- | --- | --- |\n| tcp | new | tp_btf/x | unsupported | a\\|b; "old" does it |',
      "On 6.12 everything is attached.",
    ]
  ) assert.ok(page.includes(line), `${line}\n\nis not in\n\n${page}`);
});

Deno.test("lasting drops what changes from run to run", () => {
  const one = [{ ...verdict(hook("b", "attached"), hook("a", "attached")), runs: true }];
  const other = [verdict(hook("a", "attached"), hook("b", "attached"))];
  assert.deepEqual(lasting(JSON.stringify(one)), lasting(JSON.stringify(other)));
});
