// SPDX-License-Identifier: MulanPSL-2.0
/** Which cgroups and namespaces containers have, as the kernel numbers them, and what they send: from /proc/PID and stat(). */
import { type CgroupMounts, cgroupMounts } from "../core/cgroup_mounts.ts";
import { gauge, nativeProbe, table } from "../core/declare.ts";
import { namespaceNumber } from "../core/namespace_number.ts";
import type { HostFiles } from "../core/probe.ts";
import type { Container } from "../core/process_cgroups.ts";
import { Scanner } from "../core/scan.ts";
import { cgroupFolders } from "./cgroup_controllers.ts";
import { eachNetDevice, TX_BYTES } from "./net_dev.ts";

const CONTROLLERS = ["cpuacct", "memory", "pids"] as const;

export default nativeProbe({
  name: "container_ns",
  late: true,
  help: "Cgroups and namespaces of containers, from /proc/PID/{cgroup,ns,net/dev}.",
  partOf: ["nsprobe"],
  on: false,
  capabilities: { CAP_SYS_PTRACE: "namespaces of containers of other users" },
  tables: {
    container: table({
      entity: "container",
      keys: ["container_id"],
      labels: [
        "name",
        "cpucg_inode",
        "memcg_inode",
        "pidcg_inode",
        "mnt_ns_id",
        "net_ns_id",
        "proc_id",
      ],
      metrics: {
        bps: gauge("Bytes sent a second; of a pod, by all its containers.", "bytes/s"),
      },
    }),
  },
  open(files, _settings, host) {
    const mounts = cgroupMounts(new TextDecoder().decode(
      files.readOptional("proc/1/mountinfo") ?? files.read("proc/self/mountinfo"),
    ));
    const scan = new Scanner();
    const known = new Map<string, Known>();
    return ({ container: rows }, elapsed) => {
      const hostNetwork = namespaceOf(files, 1, "net");
      const before = new Map(known);
      known.clear();
      for (const { container, pids } of host.containers.scan()) {
        const pid = Math.min(...pids);
        let one = before.get(container.id);
        if (one?.pid !== pid || one.container.paths.size !== container.paths.size) {
          one = newKnown(files, mounts, container, pid);
        }
        known.set(container.id, one);
        const sent = one.network === hostNetwork ? NaN : sentBytes(files, scan, pid);
        const name = host.names.namesOf(container)?.name ?? "";
        rows.row(container.shortId, name, ...one.numbers)
          .set("bps", Math.max(0, sent - one.sent) / elapsed);
        one.sent = sent;
      }
    };
  },
});

interface Known {
  readonly container: Container;
  readonly pid: number;
  readonly network: string;
  /** Labels behind the name. */
  readonly numbers: readonly string[];
  /** Bytes at the reading before; NaN if that is not known. */
  sent: number;
}

function newKnown(
  files: HostFiles,
  mounts: CgroupMounts,
  container: Container,
  pid: number,
): Known {
  const folders = cgroupFolders(files, mounts, container, CONTROLLERS);
  const inodes = CONTROLLERS.map((controller) => {
    const folder = folders[controller];
    return folder === undefined ? "" : orNothing(files.inode(folder.path));
  });
  const network = namespaceOf(files, pid, "net");
  const numbers = [...inodes, namespaceOf(files, pid, "mnt"), network, String(pid)];
  return { container, pid, network, numbers, sent: NaN };
}

function orNothing(inode: number): string {
  return Number.isNaN(inode) ? "" : String(inode);
}

/** Empty when the process has ended, or is not ours to ask. */
function namespaceOf(files: HostFiles, pid: number, kind: "mnt" | "net"): string {
  return namespaceNumber(files.link(`proc/${pid}/ns/${kind}`));
}

function sentBytes(files: HostFiles, scan: Scanner, pid: number): number {
  const bytes = files.readOptional(`proc/${pid}/net/dev`);
  let sent = 0;
  if (bytes === undefined) return NaN;
  eachNetDevice(scan.over(bytes), (_name, columns) => sent += columns[TX_BYTES]!);
  return sent;
}
