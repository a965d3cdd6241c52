// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Control groups of the external probes: one for all of them, which holds their share of a core, and in it one for
 * each, which holds its own limits and tells what it started, wherever that went.
 *
 * Tree: OUR_GROUP/gala-gopher.PID/probe-NAME, for cpu and, when some probe has a limit of memory, for memory.
 */
import { killIfThere } from "./kill_if_there.ts";
import { messageOf } from "../core/errors.ts";
import {
  type CgroupPlace,
  cgroupPlace,
  type CgroupSetting,
  type CgroupTexts,
  type Controller,
  cpuSettings,
  memorySettings,
} from "./cgroup_tree.ts";

/** What one probe may use; 0 is no limit of its own. */
export interface ProbeLimits {
  /** Hundredths of a core. */
  readonly cpuPercent: number;
  readonly memoryMegabytes: number;
}

export interface ProbeCgroupsOptions {
  /** Hundredths of a core that all probes together may use; 0 is no limit. */
  readonly sharePercent: number;
  readonly texts: () => CgroupTexts;
  /** Told of each folder that must go when the agent was killed. */
  readonly made: (folder: string) => void;
}

export const HOST_TEXTS = (): CgroupTexts => ({
  mounts: Deno.readTextFileSync("/proc/self/mountinfo"),
  groups: Deno.readTextFileSync("/proc/self/cgroup"),
});

const NAME = "gala-gopher";
const NAME_REGEXP = /^gala-gopher\.(\d+)$/;
/** A dead process leaves its group some moments after it was reaped. */
const REMOVE_TRIES = 20;
const REMOVE_PAUSE_MS = 10;

export class ProbeCgroups {
  readonly #options: ProbeCgroupsOptions;
  #texts: CgroupTexts | undefined;
  readonly #parents = new Map<Controller, CgroupPlace>();
  /** Why a limit is not held, by controller. */
  readonly #problems = new Map<Controller, string>();

  constructor(options: ProbeCgroupsOptions) {
    this.#options = options;
    const { sharePercent } = options;
    this.#open("cpu", (version) => sharePercent > 0 ? cpuSettings(version, sharePercent) : []);
  }

  /** Why the common share of a core is not held; undefined if it is. */
  get problem(): string | undefined {
    return this.#problems.get("cpu");
  }

  /** A group for one probe; it has as many of its limits as the host lets us set. */
  group(name: string, limits: ProbeLimits): ProbeCgroup {
    if (limits.memoryMegabytes > 0) this.#open("memory", () => []);
    const folders: string[] = [];
    const problems: string[] = [];
    const add = (controller: Controller, settings: (version: 1 | 2) => CgroupSetting[]) => {
      const parent = this.#parents.get(controller);
      if (parent === undefined) {
        problems.push(`no limit of ${controller}: ${this.#problems.get(controller)}`);
        return;
      }
      const folder = `${parent.folder}/probe-${name}`;
      try {
        makeFolder(folder);
        if (!folders.includes(folder)) folders.push(folder);
        for (const setting of settings(parent.version)) write(folder, setting);
      } catch (error) {
        problems.push(`no limit of ${controller}: ${messageOf(error)}`);
      }
    };
    const { sharePercent } = this.#options;
    // Version 1 refuses a part that is larger than the whole.
    const own = limits.cpuPercent > 0 && !(sharePercent > 0 && limits.cpuPercent > sharePercent);
    // Without a limit too: the group tells what the probe started.
    if (sharePercent > 0 || limits.cpuPercent > 0 || this.#parents.has("cpu")) {
      add("cpu", (version) => own ? cpuSettings(version, limits.cpuPercent) : []);
    }
    if (limits.memoryMegabytes > 0) {
      add("memory", (version) => memorySettings(version, limits.memoryMegabytes));
    }
    return new ProbeCgroup(folders, problems);
  }

  /** Takes the common limit away, so that the probes end soon. */
  lift(): void {
    const place = this.#parents.get("cpu");
    if (place === undefined) return;
    try {
      write(place.folder, place.version === 2 ? ["cpu.max", "max"] : ["cpu.cfs_quota_us", "-1"]);
    } catch (error) {
      this.#problems.set("cpu", messageOf(error));
    }
  }

  /** Removes the common groups; the probes' own are gone by then. */
  async close(): Promise<void> {
    const folders = [...new Set([...this.#parents.values()].map(({ folder }) => folder))];
    this.#parents.clear();
    for (const folder of folders) await removeFolder(folder);
  }

  #open(controller: Controller, settings: (version: 1 | 2) => CgroupSetting[]): void {
    if (this.#parents.has(controller) || this.#problems.has(controller)) return;
    try {
      // Read once: we may move within version 2, and the probes' groups belong where we were.
      this.#texts ??= this.#options.texts();
      const place = cgroupPlace(this.#texts, controller);
      if (place === undefined) {
        throw new Error(`this host has no cgroup controller "${controller}"`);
      }
      removeStale(place.folder);
      if (place.version === 2) giveControllers(place.folder);
      const folder = `${place.folder}/${NAME}.${Deno.pid}`;
      makeFolder(folder);
      this.#options.made(folder);
      this.#parents.set(controller, { ...place, folder });
      if (place.version === 2) write(folder, ["cgroup.subtree_control", "+cpu +memory"]);
      for (const setting of settings(place.version)) write(folder, setting);
    } catch (error) {
      this.#problems.set(controller, messageOf(error));
    }
  }
}

/** The group of one probe, in each hierarchy that a limit of it needs. */
export class ProbeCgroup {
  readonly #folders: readonly string[];

  constructor(folders: readonly string[], readonly problems: readonly string[]) {
    this.#folders = folders;
  }

  /** Takes a process in, before it starts others. */
  join(pid: number): void {
    for (const folder of this.#folders) write(folder, ["cgroup.procs", String(pid)]);
  }

  /** Ends every process in it, also those that left the process group. */
  kill(): void {
    for (const folder of this.#folders.slice(0, 1)) {
      for (const pid of readText(`${folder}/cgroup.procs`).split("\n")) {
        if (pid !== "") killIfThere(Number(pid), "SIGKILL");
      }
    }
  }

  /** What the kernel counted, for `/probes`. */
  facts(): Readonly<Record<string, unknown>> {
    const [folder] = this.#folders;
    const own = folder === undefined ? undefined : throttled(folder);
    const all = folder === undefined ? undefined : throttled(`${folder}/..`);
    return {
      ...(own === undefined ? {} : { throttledPeriods: own }),
      ...(all === undefined ? {} : { throttledPeriodsOfAll: all }),
      ...(this.problems.length === 0 ? {} : { limitProblems: this.problems }),
    };
  }

  /** Whether the kernel has killed a process of it for want of memory. */
  wasOutOfMemory(): boolean {
    return this.#folders.some((folder) =>
      OOM_FILES.some((file) => /^oom_kill [1-9]/m.test(readText(`${folder}/${file}`)))
    );
  }

  async remove(): Promise<void> {
    for (const folder of this.#folders) await removeFolder(folder);
  }
}

/** Of version 2 and 1. */
const OOM_FILES = ["memory.events", "memory.oom_control"];

/** Tenths of a second in which the group wanted more CPU than it may have. */
function throttled(folder: string): number | undefined {
  const count = /^nr_throttled (\d+)$/m.exec(readText(`${folder}/cpu.stat`))?.[1];
  return count === undefined ? undefined : Number(count);
}

/** A group of version 2 can pass controllers on only if no process is in it: then we move one level down. */
function giveControllers(folder: string): void {
  const has = () => {
    const given = readText(`${folder}/cgroup.subtree_control`).trim().split(" ");
    return given.includes("cpu") && given.includes("memory");
  };
  if (has()) return;
  try {
    write(folder, ["cgroup.subtree_control", "+cpu +memory"]);
  } catch (error) {
    if (!messageOf(error).includes("os error 16")) throw error; // EBUSY
    const leaf = `${folder}/${NAME}`;
    makeFolder(leaf);
    write(leaf, ["cgroup.procs", String(Deno.pid)]);
    write(folder, ["cgroup.subtree_control", "+cpu +memory"]);
  }
}

/** What agents left that were killed together with their watchdog. */
function removeStale(folder: string): void {
  for (const { name } of Deno.readDirSync(folder)) {
    const pid = NAME_REGEXP.exec(name)?.[1];
    if (pid === undefined || exists(`/proc/${pid}`)) continue;
    for (const { name: child, isDirectory } of Deno.readDirSync(`${folder}/${name}`)) {
      if (isDirectory) tryRemove(`${folder}/${name}/${child}`);
    }
    tryRemove(`${folder}/${name}`);
  }
}

function makeFolder(folder: string): void {
  try {
    Deno.mkdirSync(folder);
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
}

async function removeFolder(folder: string): Promise<void> {
  for (let tries = 0; tries < REMOVE_TRIES && !tryRemove(folder); tries++) {
    await new Promise((resolve) => setTimeout(resolve, REMOVE_PAUSE_MS));
  }
}

/** Whether it is gone; a group with processes stays. */
function tryRemove(folder: string): boolean {
  try {
    Deno.removeSync(folder);
    return true;
  } catch (error) {
    return error instanceof Deno.errors.NotFound;
  }
}

function write(folder: string, [file, value]: CgroupSetting): void {
  try {
    Deno.writeTextFileSync(`${folder}/${file}`, value, { create: false });
  } catch (cause) {
    throw new Error(`cannot write "${value}" to ${folder}/${file}: ${messageOf(cause)}`, { cause });
  }
}

function readText(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || String(error).includes("os error 19")) return ""; // ENODEV
    throw error;
  }
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
