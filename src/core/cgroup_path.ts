// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Which container a cgroup path belongs to, from the names that container runtimes give their cgroups.
 *
 * A container inside a container (kind, Docker in Docker) is found by its own name: the innermost one counts. What
 * watches over a container from a cgroup of its own (conmon, lxc.monitor) is no part of it.
 */

export type Runtime =
  | "docker"
  | "containerd"
  | "cri-o"
  | "podman"
  | "isulad"
  | "nspawn"
  | "lxc"
  | "unknown";

export interface ContainerPath {
  /** 64 hexadecimal digits, or the name of a machine that has no such id. */
  readonly id: string;
  readonly runtime: Runtime;
  /** Uid of the Kubernetes pod (with dashes, where it has any) or id of the podman pod; empty without. */
  readonly podId: string;
  /** The path down to the container's own cgroup. */
  readonly path: string;
}

/** `docker-ID.scope`, `cri-containerd-ID.scope`, `crio-ID`, `libpod-ID`, `SLICE:cri-containerd:ID` or just `ID`. */
const ID_REGEXP = /^(?:(?:[^:]*:)*([A-Za-z][\w.-]*?)[-:])?([0-9a-f]{64})(?:\.scope)?$/;
const NSPAWN_REGEXP = /^systemd-nspawn@(.+)\.service$/;
const MACHINE_REGEXP = /^machine-(.+)\.scope$/;
/** Virtual machines of libvirt are machines of systemd too. */
const VIRTUAL_REGEXP = /^(?:qemu|xen|lxc)-\d+-/;
const LXC_REGEXP = /^lxc\.payload\.(.+)$/;
const MONITOR_REGEXP = /^(?:[\w.-]*conmon|lxc\.monitor|supervisor$)/;
const POD_REGEXP =
  /(?:^|-)pod([0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12}|[0-9a-f]{32})(?:\.slice)?(?::|$)/;
const PODMAN_POD_REGEXP = /(?:^|-)libpod_pod_([0-9a-f]{64})(?:\.slice)?$/;
const ESCAPE_REGEXP = /\\x([0-9a-f]{2})/g;
const DELETED = " (deleted)";

const RUNTIME_OF_PREFIX: Readonly<Record<string, Runtime>> = {
  "docker": "docker",
  "cri-containerd": "containerd",
  "nerdctl": "containerd",
  "containerd": "containerd",
  "crio": "cri-o",
  "libpod": "podman",
  "libpod_parent": "podman",
  "isulad": "isulad",
  "isula": "isulad",
};

/** The innermost container of a path such as `/docker/ID/init.scope`; undefined when there is none. */
export function containerOfPath(path: string): ContainerPath | undefined {
  if (!path.startsWith("/") || path.endsWith(DELETED)) return undefined;
  const parts = path.split("/");
  for (let i = parts.length - 1; i > 0; i--) {
    const part = parts[i]!;
    if (MONITOR_REGEXP.test(part)) return undefined;
    const found = withId(part, parts[i - 1]!) ?? named(part, parts[i - 1]!);
    if (found === undefined) continue;
    return { ...found, podId: podOf(parts, i), path: parts.slice(0, i + 1).join("/") };
  }
  return undefined;
}

function withId(part: string, parent: string): { id: string; runtime: Runtime } | undefined {
  const found = ID_REGEXP.exec(part);
  if (found === null) return undefined;
  const prefix = found[1] ?? parent;
  const runtime = Object.hasOwn(RUNTIME_OF_PREFIX, prefix) ? RUNTIME_OF_PREFIX[prefix]! : "unknown";
  return { id: found[2]!, runtime };
}

function named(part: string, parent: string): { id: string; runtime: Runtime } | undefined {
  const machine = (NSPAWN_REGEXP.exec(part) ?? MACHINE_REGEXP.exec(part))?.[1];
  if (machine !== undefined) {
    const name = unescape(machine);
    return VIRTUAL_REGEXP.test(name) ? undefined : { id: name, runtime: "nspawn" };
  }
  const lxc = LXC_REGEXP.exec(part)?.[1] ??
    (parent === "lxc" || parent === "lxc.payload" ? part : "");
  return lxc === "" ? undefined : { id: lxc, runtime: "lxc" };
}

function podOf(parts: readonly string[], end: number): string {
  for (let i = end; i > 0; i--) {
    const pod = POD_REGEXP.exec(parts[i]!);
    if (pod !== null) return pod[1]!.replaceAll("_", "-");
    const podman = PODMAN_POD_REGEXP.exec(parts[i]!);
    if (podman !== null) return podman[1]!;
  }
  return "";
}

/** systemd writes what a unit's name may not contain as `\x2d`. */
function unescape(name: string): string {
  return name.replace(ESCAPE_REGEXP, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
}
