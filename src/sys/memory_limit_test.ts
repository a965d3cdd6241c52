// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { Unsupported } from "../core/errors.ts";
import { blameMemoryLimit, demandMemory, memoryLeft, memoryLimit } from "./memory_limit.ts";

const V1 = "33 30 0:29 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
const V2 = "35 30 0:31 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
const NONE = "9223372036854771712\n";

function limitOf(groups: string, mounts: string, files: Readonly<Record<string, string>>) {
  return memoryLimit({ groups, mounts, read: (path) => files[path] });
}

Deno.test("memoryLimit is the lowest of the process's cgroup and those above, in either version", () => {
  const [one, two] = [
    "/sys/fs/cgroup/memory/a/memory.limit_in_bytes",
    "/sys/fs/cgroup/a/memory.max",
  ];
  const above = "/sys/fs/cgroup/memory/memory.limit_in_bytes";
  assert.deepEqual(limitOf("4:memory:/a\n0::/\n", V1, { [one]: "4096\n", [above]: NONE }), {
    bytes: 4096,
    path: one,
  });
  assert.deepEqual(limitOf("4:cpu,memory:/a/b\n", V1, { [one]: NONE, [above]: "8192\n" }), {
    bytes: 8192,
    path: above,
  });
  assert.deepEqual(limitOf("0::/a/b\n", V2, { [two]: "4096\n", [`${two}x`]: "1" }), {
    bytes: 4096,
    path: two,
  });
});

Deno.test("memoryLimit is none where nothing limits, is mounted or is there", () => {
  const file = "/sys/fs/cgroup/memory/memory.limit_in_bytes";
  assert.equal(limitOf("4:memory:/\n", V1, { [file]: NONE }), undefined);
  assert.equal(limitOf("0::/a\n", V2, { "/sys/fs/cgroup/a/memory.max": "max\n" }), undefined);
  assert.equal(limitOf("0::/a\n", "", {}), undefined);
  assert.equal(limitOf("", V2, {}), undefined);
  assert.equal(limitOf("0::/../other\n", V2, {}), undefined);
});

Deno.test("blameMemoryLimit says which limit it is and what mends it", () => {
  blameMemoryLimit("tcp", undefined);
  assert.throws(
    () => blameMemoryLimit("tcp", { bytes: 120 << 20, path: "/x/memory.max" }),
    (error) => {
      assert.ok(error instanceof Unsupported);
      assert.match(error.message, /maps of "tcp": ENOMEM, "\/x\/memory.max" is 120 MiB/);
      assert.match(error.mend!, /max_records_num/);
      return true;
    },
  );
});

const MIB = 1 << 20;

Deno.test("memoryLeft is what is not used, or used only for files, in either version", () => {
  const left = (path: string, files: Readonly<Record<string, string>>) =>
    memoryLeft({ bytes: 1000, path }, { read: (name) => files[name] });
  const v1 = {
    "/g/memory.usage_in_bytes": "700\n",
    "/g/memory.stat": "active_file 1\ntotal_active_file 50\ntotal_inactive_file 7\n",
  };
  assert.equal(left("/g/memory.limit_in_bytes", v1), 357);
  const v2 = { "/g/memory.current": "700\n", "/g/memory.stat": "file 9\ninactive_file 50\n" };
  assert.equal(left("/g/memory.max", v2), 350);
  assert.equal(left("/g/memory.max", {}), undefined);
});

Deno.test("demandMemory refuses maps that leave the program too little, and only where there is a limit", () => {
  const demand = (wanted: number, mounts = V2) => {
    const files: Readonly<Record<string, string>> = {
      "/sys/fs/cgroup/a/memory.max": `${100 * MIB}\n`,
      "/sys/fs/cgroup/a/memory.current": `${40 * MIB}\n`,
      "/sys/fs/cgroup/a/memory.stat": "",
    };
    demandMemory("tcp", wanted, { groups: "0::/a\n", mounts, read: (path) => files[path] });
  };
  demand(40 * MIB);
  demand(2 ** 40, "");
  assert.throws(() => demand(50 * MIB), /maps of "tcp": they take 50 MiB, ".*" is 100 MiB/);
});
