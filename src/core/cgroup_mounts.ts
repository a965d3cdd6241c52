// SPDX-License-Identifier: MulanPSL-2.0
/** Where the cgroup hierarchies are mounted, from /proc/1/mountinfo: v1 by controller, v2 by the empty name. */

export interface CgroupMount {
  /** Without leading slash: `sys/fs/cgroup/memory`. */
  readonly folder: string;
  /** The path within the hierarchy that is mounted there: `/`, or less of it inside a container. */
  readonly root: string;
  readonly version: 1 | 2;
}

export type CgroupMounts = ReadonlyMap<string, CgroupMount>;

/** `36 35 98:0 /root /mount/point rw,noatime shared:1 - type source rw,memory`. */
const LINE_REGEXP = /^\S+ \S+ \S+ (\/\S*) (\/\S*) .*? - (cgroup2?) \S+ (\S+)$/;
const OCTAL_REGEXP = /\\([0-7]{3})/g;
const UPWARDS_REGEXP = /(?:^|\/)\.\.(?=\/|$)/;
/** Options of a v1 mount that name no controller do no harm: no path is looked up by them. */
const MAX_LINES = 100_000;

export function cgroupMounts(text: string): CgroupMounts {
  const mounts = new Map<string, CgroupMount>();
  for (const line of text.slice(0, text.lastIndexOf("\n") + 1).split("\n", MAX_LINES)) {
    const found = LINE_REGEXP.exec(line);
    if (found === null) continue;
    const [, root, point, type, options] = found;
    const folder = unescape(point!).slice(1);
    if (folder === "" || folder.includes("\0") || UPWARDS_REGEXP.test(folder)) continue;
    const version = type === "cgroup2" ? 2 : 1;
    const names = version === 2 ? [""] : options!.split(",");
    for (const name of names) {
      // The first mount of a hierarchy is the host's; later ones are of containers or bind mounts.
      if (!mounts.has(name)) mounts.set(name, { folder, root: unescape(root!), version });
    }
  }
  return mounts;
}

/** The folder of a cgroup, or undefined if that part of the hierarchy is not mounted. */
export function cgroupFolder({ folder, root }: CgroupMount, path: string): string | undefined {
  // Seen from within a cgroup namespace, paths beside it start with "/..", and so does a mount of the host's root.
  if (root === "/") return UPWARDS_REGEXP.test(path) ? undefined : folder + path;
  if (path !== root && !path.startsWith(`${root}/`)) return undefined;
  const below = path.slice(root.length);
  return UPWARDS_REGEXP.test(below) ? undefined : folder + below;
}

function unescape(text: string): string {
  return text.replace(OCTAL_REGEXP, (_, digits) => String.fromCharCode(parseInt(digits, 8)));
}
