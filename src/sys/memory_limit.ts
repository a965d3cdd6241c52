// SPDX-License-Identifier: MulanPSL-2.0
/** How much memory this process may have, which since 5.11 its eBPF maps are charged to: by its cgroup and those above. */
import { cgroupFolder, type CgroupMounts, cgroupMounts } from "../core/cgroup_mounts.ts";
import { Unsupported } from "../core/errors.ts";

const MIB = 1 << 20;
/** Room for programs, for rows, and for what other probes take at the same time. */
const NEEDED_BESIDE = 16 * MIB;
/** Of version 1, whose file says so much where there is none. */
const NO_LIMIT = 2 ** 60;

export interface MemoryLimit {
  readonly bytes: number;
  /** The file that says so. */
  readonly path: string;
}

/** Texts of /proc/self/cgroup and /proc/self/mountinfo, and of a file if it is there. */
export interface CgroupView {
  readonly groups: string;
  readonly mounts: string;
  read(path: string): string | undefined;
}

/** The lowest of the limits that hold for this process. */
export function memoryLimit(view: CgroupView = ownView()): MemoryLimit | undefined {
  const mounts = cgroupMounts(view.mounts);
  let lowest: MemoryLimit | undefined;
  for (const path of limitFiles(mounts, view.groups)) {
    const bytes = parseInt(view.read(path) ?? "", 10); // "max" is none
    if (bytes < Math.min(NO_LIMIT, lowest?.bytes ?? Infinity)) lowest = { bytes, path };
  }
  return lowest;
}

function* limitFiles(mounts: CgroupMounts, groups: string): Generator<string> {
  for (
    const [controller, file] of [["memory", "memory.limit_in_bytes"], ["", "memory.max"]] as const
  ) {
    const mount = mounts.get(controller);
    const path = groups.split("\n").map((line) => /^\d+:([^:]*):(\/.*)$/.exec(line))
      .find((found) => found?.[1]?.split(",").includes(controller))?.[2];
    let folder = mount && path !== undefined ? cgroupFolder(mount, path) : undefined;
    while (mount && folder !== undefined && folder.length >= mount.folder.length) {
      yield `/${folder}/${file}`;
      folder = folder.slice(0, folder.lastIndexOf("/"));
    }
  }
}

/** What is left of it: what is cached of files goes when there is need. Undefined where the kernel does not tell. */
export function memoryLeft(
  { bytes, path }: MemoryLimit,
  { read }: Pick<CgroupView, "read"> = ownView(),
): number | undefined {
  const folder = path.slice(0, path.lastIndexOf("/"));
  const used = read(`${folder}/memory.usage_in_bytes`) ?? read(`${folder}/memory.current`);
  const stat = read(`${folder}/memory.stat`);
  if (used === undefined || stat === undefined) return undefined;
  const cached = ["inactive_file", "active_file"].map((name) =>
    Number(
      new RegExp(`^total_${name} (\\d+)`, "m").exec(stat)?.[1] ??
        new RegExp(`^${name} (\\d+)`, "m").exec(stat)?.[1] ?? 0,
    )
  );
  return bytes - Number(used) + cached.reduce((sum, each) => sum + each, 0);
}

/**
 * Throws Unsupported, which is not tried again, where the maps of an object would take what the rest of the program needs:
 * to try would end it. `wanted`: bytes that they take before they have a row.
 */
export function demandMemory(object: string, wanted: number, view: CgroupView = ownView()): void {
  const limit = memoryLimit(view);
  if (limit === undefined) return;
  const left = memoryLeft(limit, view);
  if (left !== undefined && wanted + NEEDED_BESIDE > left) {
    throw unsupported(object, `they take ${mib(wanted)} MiB`, limit);
  }
}

/** Throws the same where the kernel had no memory for them, if there is a limit that tells why. */
export function blameMemoryLimit(object: string, limit = memoryLimit()): void {
  if (limit !== undefined) throw unsupported(object, "ENOMEM", limit);
}

function unsupported(object: string, why: string, { bytes, path }: MemoryLimit): Unsupported {
  return new Unsupported(
    `Cannot make the maps of "${object}": ${why}, "${path}" is ${mib(bytes)} MiB`,
    "lower imdb.max_records_num, or raise that limit: MemoryMax= in the service",
  );
}

function mib(bytes: number): number {
  return Math.floor(bytes / MIB);
}

/** A kernel without cgroups, or files that are not for us to read, tell of no limit. */
function ownView(): CgroupView {
  return {
    groups: readIfAllowed("/proc/self/cgroup") ?? "",
    mounts: readIfAllowed("/proc/self/mountinfo") ?? "",
    read: readIfAllowed,
  };
}

function readIfAllowed(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied) {
      return undefined;
    }
    throw error;
  }
}
