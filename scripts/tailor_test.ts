// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { probes } from "../src/gen/all.ts";
import { objectsOf, probesNamed } from "./tailor.ts";

const named = (list: string) => probesNamed(list).map(({ name }) => name);

Deno.test("probesNamed takes both spellings, and groups of the original", () => {
  assert.deepEqual(named("tcp,system_net"), ["tcp", "system_net"]);
  assert.deepEqual(named("tcp.probe|cadvisor.probe"), ["tcp", "container"]);
  const group = named("system_infos");
  assert.ok(group.includes("system_cpu") && !group.includes("system_load"));
  assert.deepEqual(named(""), []);
});

Deno.test("probesNamed refuses a name that no probe has, and all of them", () => {
  assert.throws(() => probesNamed("tpc"), /no probe "tpc"; there are: .*tcp/);
  assert.throws(() => probesNamed(probes.map(({ name }) => name).join()), /no probe would be left/);
});

Deno.test("objectsOf names each object once", () => {
  const tcp = probesNamed("tcp");
  assert.deepEqual(objectsOf([...tcp, ...tcp]), ["tcp.bpf.o"]);
  assert.deepEqual(objectsOf(probesNamed("system_cpu")), []);
});
