// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { type FileTexts, runProbe, TICK_SECONDS } from "../../tests/run_probe.ts";
import containerNs from "./container_ns.ts";

const ID = "b".repeat(64);
const MOUNTS = ["cpu,cpuacct", "memory", "pids"].map((names, i) =>
  `${30 + i} 20 0:26 / /sys/fs/cgroup/${names} rw - cgroup cgroup rw,${names}\n`
).join("");

/** A container with process 77, and 78 that came later. */
function host(sent: number, network = "net:[4026532200]"): FileTexts {
  const cgroups = ["cpu,cpuacct", "memory", "pids"].map((names, i) =>
    `${i + 1}:${names}:/docker/${ID}\n`
  ).join("");
  const files: Record<string, string> = { "proc/1/mountinfo": MOUNTS };
  files["proc/1/ns/net"] = "net:[4026531840]";
  for (const pid of [78, 77]) {
    files[`proc/${pid}/cgroup`] = cgroups;
    files[`proc/${pid}/stat`] = `${pid} (sh) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 5 0 0 ${
      "0 ".repeat(30)
    }\n`;
    files[`proc/${pid}/ns/net`] = network;
    files[`proc/${pid}/ns/mnt`] = "mnt:[4026532100]";
    files[`proc/${pid}/net/dev`] = "Inter-| Receive | Transmit\n face |bytes |bytes\n" +
      "    lo: 9 9 0 0 0 0 0 0 9 9 0 0 0 0 0 0\n" +
      `  eth0: 1 1 0 0 0 0 0 0 ${sent} 1 0 0 0 0 0 0\n`;
  }
  for (const [i, names] of ["cpu,cpuacct", "memory", "pids"].entries()) {
    files[`sys/fs/cgroup/${names}/docker/${ID}#inode`] = String(101 + i);
  }
  return files;
}

const LABELS = {
  container_id: ID.slice(0, 12),
  name: "",
  cpucg_inode: "101",
  memcg_inode: "102",
  pidcg_inode: "103",
  mnt_ns_id: "4026532100",
  proc_id: "77",
};

Deno.test("container_ns numbers cgroups and namespaces of a container, and tells what it sends", () => {
  const rows = runProbe(containerNs, [host(1000), host(1000 + 500 * TICK_SECONDS)]);
  assert.deepEqual(rows.container, [{ ...LABELS, net_ns_id: "4026532200", bps: 500 }]);
});

Deno.test("container_ns tells no bytes of a container in the host's network, and none at first", () => {
  const shared = "net:[4026531840]";
  const rows = runProbe(containerNs, [host(1000, shared), host(9000, shared)]);
  assert.deepEqual(rows.container, [{ ...LABELS, net_ns_id: "4026531840" }]);
  assert.equal(runProbe(containerNs, host(1000)).container![0]!.bps, undefined);
});

Deno.test("container_ns leaves out what it may not ask", () => {
  const files = { ...host(1000) };
  for (const path of Object.keys(files)) if (/ns\/|#inode/.test(path)) delete files[path];
  const [row] = runProbe(containerNs, files).container!;
  assert.deepEqual([row!.cpucg_inode, row!.net_ns_id, row!.proc_id], ["", "", "77"]);
});
