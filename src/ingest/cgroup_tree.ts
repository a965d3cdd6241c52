// SPDX-License-Identifier: MulanPSL-2.0
/** Where this process stands in the control groups of its host, and the few files of them that limits are written to. */

export type Controller = "cpu" | "memory";

/** The folder of a controller in which we may make groups; our own group, so that what ends us ends those too. */
export interface CgroupPlace {
  readonly version: 1 | 2;
  readonly folder: string;
}

/** Text of /proc/self/mountinfo and /proc/self/cgroup. */
export interface CgroupTexts {
  readonly mounts: string;
  readonly groups: string;
}

interface Mount {
  readonly type: string;
  /** The part of the hierarchy that is mounted. */
  readonly root: string;
  readonly point: string;
  readonly options: readonly string[];
}

/** 36 35 0:32 /root /point options - type source superoptions; blanks in a path are \040. */
const MOUNT_REGEXP = /^\d+ \d+ \S+ (\S+) (\S+) .*? - (cgroup2?) \S+ (\S+)$/;

/** The controller's place in version 1 if the host has it there, else in version 2; undefined without any. */
export function cgroupPlace(
  { mounts, groups }: CgroupTexts,
  controller: Controller,
): CgroupPlace | undefined {
  const all = mounts.split("\n").map(parseMount).filter((mount) => mount !== undefined);
  const own = new Map(
    groups.split("\n").filter((line) => line.includes(":")).map((line) => {
      const [, names = "", ...path] = line.split(":");
      return [names, path.join(":")];
    }),
  );
  const first = all.find(({ type, options }) => type === "cgroup" && options.includes(controller));
  if (first !== undefined) {
    const path = [...own].find(([names]) => names.split(",").includes(controller))?.[1];
    return path === undefined ? undefined : { version: 1, folder: below(first, path) };
  }
  const second = all.find(({ type }) => type === "cgroup2");
  const path = own.get("");
  if (second === undefined || path === undefined) return undefined;
  return { version: 2, folder: below(second, path) };
}

function parseMount(line: string): Mount | undefined {
  const [, root, point, type, options] = MOUNT_REGEXP.exec(line) ?? [];
  if (root === undefined) return undefined;
  return {
    type: type!,
    root: unescape(root),
    point: unescape(point!),
    options: options!.split(","),
  };
}

function unescape(path: string): string {
  return path.replaceAll(/\\([0-7]{3})/g, (_, code) => String.fromCharCode(parseInt(code, 8)));
}

/** In a container /proc/self/cgroup may tell a path of the host, of which only a part is mounted. */
function below({ root, point }: Mount, path: string): string {
  const rest = root !== "/" && (path === root || path.startsWith(`${root}/`))
    ? path.slice(root.length)
    : root === "/"
    ? path
    : "";
  return `${point}${rest}`.replace(/\/+$/, "");
}

/** A value for a file of a group. */
export type CgroupSetting = readonly [file: string, value: string];

const PERIOD_US = 100_000;
/** The kernel takes no less. */
const LEAST_QUOTA_US = 1000;

/** At most this many hundredths of a core. */
export function cpuSettings(version: 1 | 2, percent: number): CgroupSetting[] {
  const quota = String(Math.max(LEAST_QUOTA_US, Math.round(percent * PERIOD_US / 100)));
  return version === 2 ? [["cpu.max", `${quota} ${PERIOD_US}`]] : [
    ["cpu.cfs_period_us", String(PERIOD_US)],
    ["cpu.cfs_quota_us", quota],
  ];
}

export function memorySettings(version: 1 | 2, megabytes: number): CgroupSetting[] {
  const bytes = String(megabytes * 1_000_000);
  return [[version === 2 ? "memory.max" : "memory.limit_in_bytes", bytes]];
}
