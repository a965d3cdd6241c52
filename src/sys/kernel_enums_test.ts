// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { enumNames, kernelEnums } from "./kernel_enums.ts";

Deno.test("kernelEnums knows the names of the running kernel's enums, if it has BTF", async () => {
  const path = "/sys/kernel/btf/vmlinux";
  const names = kernelEnums(path)("skb_drop_reason");
  const { code, stdout } = await new Deno.Command("bpftool", {
    args: ["-j", "btf", "dump", "file", path],
  }).output();
  assert.equal(code, 0);
  const { types } = JSON.parse(new TextDecoder().decode(stdout));
  const values: { name: string; val: number }[] = types.find((
    { kind, name }: { kind: string; name: string },
  ) => kind === "ENUM" && name === "skb_drop_reason").values;
  assert.ok(values.length > 50);
  assert.deepEqual([...names], values.map(({ name, val }) => [val >>> 0, name]));
});

Deno.test("enumNames gives nothing for what is no BTF, cut off, or has no such enum", () => {
  assert.equal(enumNames(new Uint8Array(0), "a").size, 0);
  assert.equal(enumNames(new Uint8Array(100), "a").size, 0);
  assert.equal(kernelEnums("/nowhere/btf")("a").size, 0);
  assert.equal(kernelEnums()("no_such_enum").size, 0);
});
