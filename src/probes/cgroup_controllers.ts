// SPDX-License-Identifier: MulanPSL-2.0
/** Finds the folders of a container's cgroup: of each controller in the hierarchy that has it. */
import { cgroupFolder, type CgroupMounts } from "../core/cgroup_mounts.ts";
import type { HostFiles } from "../core/probe.ts";
import type { Container } from "../core/process_cgroups.ts";
import { CgroupFolder } from "./cgroup_folder.ts";

/** What says in v2 whether the controller is at work. */
const V2_NAMES = {
  cpu: "cpu",
  cpuacct: "cpu",
  memory: "memory",
  blkio: "io",
  pids: "pids",
} as const;

export type Controller = keyof typeof V2_NAMES;
export type CgroupFolders = Partial<Record<Controller, CgroupFolder>>;

export function cgroupFolders(
  files: HostFiles,
  mounts: CgroupMounts,
  container: Container,
  controllers: readonly Controller[],
): CgroupFolders {
  const folders: CgroupFolders = {};
  const unified = folderOf(mounts, container, "");
  const enabled = unified === undefined
    ? undefined
    : files.readOptional(`${unified}/cgroup.controllers`);
  const available = new TextDecoder().decode(enabled).split(/\s+/);
  for (const controller of controllers) {
    const old = folderOf(mounts, container, controller);
    if (old !== undefined) {
      folders[controller] = new CgroupFolder(files, old, 1);
    } // CPU time is counted in every cgroup of v2, with the controller or without.
    else if (
      unified !== undefined &&
      (controller === "cpuacct" || available.includes(V2_NAMES[controller]))
    ) folders[controller] = new CgroupFolder(files, unified, 2);
  }
  return folders;
}

function folderOf(mounts: CgroupMounts, { paths }: Container, name: string): string | undefined {
  const mount = mounts.get(name);
  const path = paths.get(name);
  return mount === undefined || path === undefined ? undefined : cgroupFolder(mount, path);
}
