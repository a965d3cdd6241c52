// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { mutate, randomNumbers } from "../../tests/mutate.ts";
import { containerOfProcess } from "./process_cgroups.ts";

const ID = "0123456789abcdef".repeat(4);
const OTHER = "fedcba9876543210".repeat(4);

const V1 = `12:memory:/docker/${ID}
11:cpu,cpuacct:/docker/${ID}
10:name=systemd:/docker/${ID}/init.scope
`;
const V2 = `0::/system.slice/docker-${ID}.scope\n`;
const HYBRID = `4:memory:/docker/${ID}\n3:cpu,cpuacct:/\n1:name=systemd:/\n0::/docker/${ID}\n`;

Deno.test("container of a process has its path in every v1 hierarchy, without the cgroups below", () => {
  const found = containerOfProcess(V1)!;
  assert.deepEqual([found.id, found.shortId, found.runtime], [ID, "0123456789ab", "docker"]);
  assert.deepEqual(Object.fromEntries(found.paths), {
    memory: `/docker/${ID}`,
    cpu: `/docker/${ID}`,
    cpuacct: `/docker/${ID}`,
    "name=systemd": `/docker/${ID}`,
  });
});

Deno.test("container of a process is found in the v2 line, alone or beside v1", () => {
  const scope = `/system.slice/docker-${ID}.scope`;
  assert.deepEqual(Object.fromEntries(containerOfProcess(V2)!.paths), { "": scope });
  assert.deepEqual(Object.fromEntries(containerOfProcess(HYBRID)!.paths), {
    memory: `/docker/${ID}`,
    "": `/docker/${ID}`,
  });
});

Deno.test("container of a process is one, also where its hierarchies disagree", () => {
  const found = containerOfProcess(`2:memory:/docker/${ID}\n0::/docker/${OTHER}\n`)!;
  assert.deepEqual([found.id, [...found.paths.keys()]], [ID, ["memory"]]);
});

Deno.test("container of a process is not taken from a line that is cut short", () => {
  assert.equal(containerOfProcess(V2.slice(0, -1)), undefined);
  assert.equal(containerOfProcess("0::/\n"), undefined);
  assert.equal(containerOfProcess(""), undefined);
  assert.equal(containerOfProcess(":/docker\n::\nx\n"), undefined);
});

Deno.test("container of a process keeps a colon in a cgroup's name", () => {
  const path = `/kubepods-burstable-pod${"a".repeat(32)}.slice:cri-containerd:${ID}`;
  const found = containerOfProcess(`0::/system.slice/containerd.service${path}\n`)!;
  assert.deepEqual([found.id, found.runtime, found.podId], [ID, "containerd", "a".repeat(32)]);
});

Deno.test("container of a process survives 10,000 spoilt texts", () => {
  const random = randomNumbers(11);
  for (let round = 0; round < 10_000; round++) {
    const spoilt = mutate([V1, V2, HYBRID][round % 3]!, random);
    const found = containerOfProcess(new TextDecoder().decode(spoilt));
    if (found !== undefined) assert.ok(found.paths.size > 0 && found.id !== "");
  }
});
