// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { mutate, randomNumbers } from "../../tests/mutate.ts";
import { cgroupFolder, cgroupMounts } from "./cgroup_mounts.ts";

const HYBRID = `24 29 0:22 / /proc rw,nosuid shared:12 - proc proc rw
31 24 0:27 / /sys/fs/cgroup ro,nosuid shared:9 - tmpfs tmpfs ro,mode=755
32 31 0:28 / /sys/fs/cgroup/unified rw shared:10 - cgroup2 cgroup2 rw,nsdelegate
33 31 0:29 / /sys/fs/cgroup/systemd rw shared:11 - cgroup cgroup rw,xattr,name=systemd
36 31 0:33 / /sys/fs/cgroup/cpu,cpuacct rw shared:15 master:3 - cgroup cgroup rw,cpu,cpuacct
37 31 0:34 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
90 80 0:34 /docker/x /var/lib/docker/x/sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
`;
const V2 = "35 24 0:30 / /sys/fs/cgroup rw - cgroup2 cgroup rw,nsdelegate,memory_recursiveprot\n";

Deno.test("mounts are found for each controller, the first one counts", () => {
  const mounts = cgroupMounts(HYBRID);
  const of = (name: string) => mounts.get(name);
  assert.deepEqual(of(""), { folder: "sys/fs/cgroup/unified", root: "/", version: 2 });
  assert.deepEqual(of("memory"), { folder: "sys/fs/cgroup/memory", root: "/", version: 1 });
  assert.equal(of("cpuacct")?.folder, "sys/fs/cgroup/cpu,cpuacct");
  assert.equal(of("name=systemd")?.folder, "sys/fs/cgroup/systemd");
  assert.equal(of("pids"), undefined);
  assert.deepEqual([...cgroupMounts(V2)], [
    ["", { folder: "sys/fs/cgroup", root: "/", version: 2 }],
  ]);
});

Deno.test("mounts have the kernel's escapes undone, and no path upwards", () => {
  const mounted = (point: string) => cgroupMounts(`1 2 0:3 / ${point} rw - cgroup2 x rw\n`).get("");
  assert.equal(mounted("/mnt/my\\040cgroups")?.folder, "mnt/my cgroups");
  assert.equal(mounted("/mnt/../x"), undefined);
});

Deno.test("folder of a cgroup leads through the mounted part of the hierarchy only", () => {
  const whole = { folder: "sys/fs/cgroup", root: "/", version: 2 } as const;
  assert.equal(cgroupFolder(whole, "/docker/x"), "sys/fs/cgroup/docker/x");
  assert.equal(cgroupFolder(whole, "/../x"), undefined);
  const part = { ...whole, root: "/docker" };
  assert.equal(cgroupFolder(part, "/docker/x"), "sys/fs/cgroup/x");
  assert.equal(cgroupFolder(part, "/dockers/x"), undefined);
  // The agent in a cgroup namespace of its own, and the host's hierarchy mounted into it.
  const outside = { ...whole, root: "/.." };
  assert.equal(cgroupFolder(outside, "/../x"), "sys/fs/cgroup/x");
  assert.equal(cgroupFolder(outside, "/../../x"), undefined);
});

Deno.test("mounts survive 10,000 spoilt texts, and no folder leads upwards", () => {
  const random = randomNumbers(3);
  for (let round = 0; round < 10_000; round++) {
    const spoilt = mutate(round % 2 === 0 ? HYBRID : V2, random);
    for (const mount of cgroupMounts(new TextDecoder().decode(spoilt)).values()) {
      assert.ok(!mount.folder.split("/").includes("..") && !mount.folder.startsWith("/x/"));
    }
  }
});
