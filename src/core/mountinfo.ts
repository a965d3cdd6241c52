// SPDX-License-Identifier: MulanPSL-2.0
/** Mounted file systems from the text of /proc/PID/mountinfo, and which of them have a size of their own. */
import type { Mount } from "./probe.ts";
import { Scanner, word } from "./scan.ts";

/** One mount. */
export interface FileSystem extends Mount {
  /** `8:1`: mounts of one number show the same file system. */
  readonly device: string;
  /** Folder of the file system that is mounted: / for all of it. */
  readonly root: string;
  readonly type: string;
  /** What is mounted: a device, a server's folder, or a word. */
  readonly source: string;
  readonly isReadOnly: boolean;
}

const MAX_MOUNTS = 100_000;
const SEPARATOR = word("-");

/** Mount points: what container engines mount for each container: its root, shared memory, network; its volumes are not among it. */
export const ENGINE_MOUNTS =
  "^/(var/lib/docker|run/docker|var/lib/containerd|run/containerd|var/lib/containers|run/netns)/" +
  "|/kubernetes\\.io~(projected|secret)/";

/** A line that is cut short or garbled is left out. */
export function parseMountinfo(bytes: Uint8Array): FileSystem[] {
  const scan = new Scanner().over(bytes);
  const mounts: FileSystem[] = [];
  while (!scan.ended && mounts.length < MAX_MOUNTS) {
    const next = () => scan.word() ? unescape(scan.text()) : "";
    const id = next();
    next(); // the parent's id
    const device = next();
    const root = next();
    const path = next();
    const options = next();
    do scan.word(); while (!scan.is(SEPARATOR) && !scan.isEmpty);
    const type = next();
    const source = next();
    const superOptions = next();
    if (!scan.nextLine() || superOptions === "" || !path.startsWith("/")) continue;
    mounts.push({
      id,
      path,
      device,
      root,
      type,
      source,
      isRemote: isRemote(type, source),
      isReadOnly: isReadOnly(options) || isReadOnly(superOptions),
    });
  }
  return withPromptness(mounts);
}

/** Their statfs reads counters in memory; xfs waits for work on inodes, btrfs for locks, others for a server. */
const PROMPT: ReadonlySet<string> = new Set(["tmpfs", "devtmpfs", "ext2", "ext3", "ext4"]);

/** On the way to a mount the kernel asks every file system that it goes through. */
function withPromptness(mounts: readonly FileSystem[]): FileSystem[] {
  const slow = new Set<string>();
  for (const { path, type } of mounts) {
    if (!PROMPT.has(type) && !ON_THE_WAY.has(type)) slow.add(path);
  }
  return mounts.map((mount) => {
    const isPrompt = PROMPT.has(mount.type) && !pathsTo(mount.path).some((path) => slow.has(path));
    return isPrompt ? { ...mount, isPrompt } : mount;
  });
}

/** The path and all folders above it. */
function pathsTo(path: string): string[] {
  const paths = ["/"];
  for (let end = path.indexOf("/", 1); end > 0; end = path.indexOf("/", end + 1)) {
    paths.push(path.slice(0, end));
  }
  return [...paths, path];
}

/** Each file system once: at its own root before a folder of it, then at the shortest path; none that is covered. */
export function visibleFileSystems(mounts: readonly FileSystem[]): FileSystem[] {
  // A later mount at the same path covers the earlier.
  const atPath = new Map(mounts.map((mount) => [mount.path, mount]));
  const best = new Map<string, FileSystem>();
  for (const mount of atPath.values()) {
    const other = best.get(mount.device);
    if (other === undefined || rank(mount) < rank(other)) best.set(mount.device, mount);
  }
  return [...best.values()];
}

const MAX_PATH = 4096;

function rank({ root, path }: FileSystem): number {
  return (root === "/" ? 0 : MAX_PATH) + path.length;
}

/** The kernel's own, which hold no data of anyone; autofs would mount something when asked. */
const PSEUDO: ReadonlySet<string> = new Set([
  "autofs",
  "binfmt_misc",
  "bpf",
  "cgroup",
  "cgroup2",
  "configfs",
  "debugfs",
  "devpts",
  "efivarfs",
  "fusectl",
  "fuse.gvfsd-fuse",
  "fuse.lxcfs",
  "fuse.portal",
  "hugetlbfs",
  "mqueue",
  "nsfs",
  "proc",
  "pstore",
  "ramfs",
  "rootfs",
  "rpc_pipefs",
  "securityfs",
  "selinuxfs",
  "smackfs",
  "sysfs",
  "tracefs",
]);

/** Of those, the ones that other file systems are mounted in. */
const ON_THE_WAY: ReadonlySet<string> = new Set(["cgroup", "proc", "rootfs", "sysfs"]);

export function isPseudo(type: string): boolean {
  return PSEUDO.has(type);
}

/** Without a device, and yet of this host. */
const LOCAL: ReadonlySet<string> = new Set(["tmpfs", "devtmpfs", "overlay", "btrfs", "zfs"]);

function isRemote(type: string, source: string): boolean {
  return type.startsWith("fuse") || !(source.startsWith("/dev/") || LOCAL.has(type));
}

function isReadOnly(options: string): boolean {
  return options === "ro" || options.startsWith("ro,");
}

const ESCAPE_REGEXP = /\\([0-3][0-7]{2})/g;

/** Blanks, newlines and backslashes are written in octal. */
function unescape(text: string): string {
  return text.includes("\\")
    ? text.replace(ESCAPE_REGEXP, (_, octal) => String.fromCharCode(parseInt(octal, 8)))
    : text;
}
