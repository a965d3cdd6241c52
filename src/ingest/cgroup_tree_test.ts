// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { cgroupPlace, cpuSettings, memorySettings } from "./cgroup_tree.ts";

const HYBRID = {
  mounts: `31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
`,
  groups: `4:memory:/api/2b
1:cpu,cpuacct:/
0::/
`,
};
const UNIFIED = {
  mounts: "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
  groups: "0::/system.slice/gala-gopher.service\n",
};

Deno.test("cgroupPlace takes version 1 where the controller is mounted so, in our own group", () => {
  assert.deepEqual(cgroupPlace(HYBRID, "cpu"), {
    version: 1,
    folder: "/sys/fs/cgroup/cpu,cpuacct",
  });
  assert.deepEqual(cgroupPlace(HYBRID, "memory"), {
    version: 1,
    folder: "/sys/fs/cgroup/memory/api/2b",
  });
});

Deno.test("cgroupPlace takes version 2 where there is no version 1", () => {
  const folder = "/sys/fs/cgroup/system.slice/gala-gopher.service";
  assert.deepEqual(cgroupPlace(UNIFIED, "cpu"), { version: 2, folder });
  assert.deepEqual(cgroupPlace(UNIFIED, "memory"), { version: 2, folder });
  assert.equal(cgroupPlace({ mounts: "", groups: "0::/\n" }, "cpu"), undefined);
  assert.equal(cgroupPlace({ mounts: UNIFIED.mounts, groups: "" }, "cpu"), undefined);
});

Deno.test("cgroupPlace leaves away what a container does not see, and reads blanks in paths", () => {
  const mounts = "50 40 0:29 /docker/ab /sys/fs/c\\040g ro - cgroup cgroup rw,cpu\n";
  for (const [path, folder] of [["/docker/ab", ""], ["/docker/ab/x", "/x"], ["/other", ""]]) {
    const place = cgroupPlace({ mounts, groups: `3:cpu:${path}\n` }, "cpu");
    assert.equal(place!.folder, `/sys/fs/c g${folder}`, path);
  }
});

Deno.test("cpuSettings and memorySettings say a limit in the words of each version", () => {
  assert.deepEqual(cpuSettings(2, 7.5), [["cpu.max", "7500 100000"]]);
  assert.deepEqual(cpuSettings(1, 250), [
    ["cpu.cfs_period_us", "100000"],
    ["cpu.cfs_quota_us", "250000"],
  ]);
  assert.deepEqual(cpuSettings(2, 0.1), [["cpu.max", "1000 100000"]]);
  assert.deepEqual(memorySettings(2, 50), [["memory.max", "50000000"]]);
  assert.deepEqual(memorySettings(1, 50), [["memory.limit_in_bytes", "50000000"]]);
});
