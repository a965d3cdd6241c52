// SPDX-License-Identifier: MulanPSL-2.0
/** What is known of one container from one reading to the next. */
import type { CgroupMounts } from "../core/cgroup_mounts.ts";
import type { ContainerProcesses } from "../core/container_lookup.ts";
import { type ContainerNames, NO_NAMES } from "../core/container_names.ts";
import type { HostFiles, MountSize } from "../core/probe.ts";
import type { Container } from "../core/process_cgroups.ts";
import { type CgroupFolders, cgroupFolders } from "./cgroup_controllers.ts";
import { CgroupFolder } from "./cgroup_folder.ts";
import { CgroupUsage } from "./cgroup_usage.ts";
import * as v1 from "./cgroup_v1.ts";
import * as v2 from "./cgroup_v2.ts";

/** The hierarchies of this host. */
export interface CgroupHost {
  readonly mounts: CgroupMounts;
  /** Names of the files that v1's blkio can have here; undefined when that is not known. */
  readonly blkioFiles: ReadonlySet<string> | undefined;
}

const CONTROLLERS = ["cpu", "cpuacct", "memory", "blkio", "pids"] as const;

export class ContainerState {
  usage = new CgroupUsage();
  pids: readonly number[] = [];
  /** Of its oldest process that was ever seen, since boot, in USER_HZ ticks. */
  start = Infinity;
  /** Values of the labels that all its tables have last. */
  labels: readonly string[] = [];
  names: ContainerNames = NO_NAMES;
  /** The file system that its root folder is on, as last known. */
  size: MountSize | undefined;
  /** Its network namespace, as a link says it; empty when that is not known. */
  network = "";
  load = NaN;
  /** When its processes were last looked at, and what was seen: by state, and of descriptors. */
  lookedAt = NaN;
  states: readonly number[] = [];
  descriptors = NaN;
  /** When what changes rarely was last read. */
  renewed = -Infinity;
  #folders: CgroupFolders = {};

  /** `number`: of each container another one, so that not all of them have their turn at once. */
  constructor(public container: Container, readonly number: number) {
    this.name(NO_NAMES);
  }

  get id(): string {
    return this.container.shortId;
  }

  seen({ container, pids, start }: ContainerProcesses): void {
    this.container = container;
    this.pids = pids;
    if (start < this.start) this.start = start;
  }

  name(names: ContainerNames): void {
    if (names === this.names && this.labels.length > 0) return;
    this.names = names;
    const { name, image, podId, podName, podNamespace } = names;
    // As the original has it.
    const pod = podName === "" ? "" : `${podNamespace}/${podName}`;
    this.labels = [name, image, podId || this.container.podId, pod, podNamespace];
  }

  /** Looks for its cgroups, its limits and its network anew. */
  renew(files: HostFiles, { mounts, blkioFiles }: CgroupHost, now: number): void {
    this.renewed = now;
    // What cannot be read any more must not show what it was.
    this.usage = new CgroupUsage();
    this.#folders = cgroupFolders(files, mounts, this.container, CONTROLLERS);
    const { blkio } = this.#folders;
    if (blkio?.version === 1) {
      this.#folders.blkio = new CgroupFolder(files, blkio.path, 1, blkioFiles);
    }
    this.network = "";
    for (const pid of this.pids.slice(0, NETWORK_TRIES)) {
      const link = files.link(`proc/${pid}/ns/net`);
      if (link === undefined) continue;
      this.network = link;
      break;
    }
    const { cpu, memory, pids } = this.#folders;
    if (cpu !== undefined) (cpu.version === 1 ? v1 : v2).readCpuLimits(cpu, this.usage);
    if (memory !== undefined) (memory.version === 1 ? v1 : v2).readMemoryLimits(memory, this.usage);
    // The same in both versions.
    if (pids !== undefined) this.usage.maxThreads = pids.limit("pids.max");
  }

  /** `all`: also what moves slowly, and what is dear. */
  read(perCpu: boolean, all: boolean): void {
    const { usage } = this;
    const { cpu, cpuacct, memory, blkio, pids } = this.#folders;
    if (cpuacct?.version === 2) v2.readCpu(cpuacct, usage);
    else if (cpuacct !== undefined) v1.readCpuacct(cpuacct, usage, perCpu);
    // Nothing is throttled where there is no quota, unless one has just been set.
    if (cpu?.version === 1 && (all || usage.quotaUs !== Infinity)) v1.readCpu(cpu, usage);
    if (memory !== undefined) (memory.version === 1 ? v1 : v2).readMemory(memory, usage);
    if (!all) return;
    if (pids !== undefined) usage.threads = pids.number("pids.current");
    if (memory !== undefined) (memory.version === 1 ? v1 : v2).readMemoryEvents(memory, usage);
    if (blkio?.version === 2) v2.readIo(blkio, usage);
    else if (blkio !== undefined) v1.readBlkio(blkio, usage);
  }
}

const NETWORK_TRIES = 3;
