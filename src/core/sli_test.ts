// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { containerOfCgroup } from "./sli.ts";

Deno.test("containerOfCgroup finds the id in a cgroup's name, and keeps other names", () => {
  const id = "0123456789abcdef".repeat(4);
  const names = [id, `docker-${id}.scope`, `cri-containerd-${id}.scope`, "sshd.service"];
  const shown = id.slice(0, 12);
  assert.deepEqual(names.map(containerOfCgroup), [shown, shown, shown, "sshd.service"]);
});
