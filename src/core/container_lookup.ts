// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Which container a process is in, remembered by pid. Shared by all probes: a process is read once for all of them.
 *
 * An answer is believed for `freshMs`; then the process's start time must still be the same. Its cgroup is read again
 * while it is young, as runtimes move a process into its container before they start the program, and else once a
 * minute. Bounded by `maxPids`; a process that is not among them is read anew each time, and counted.
 */
import { type Container, containerOfBytes } from "./process_cgroups.ts";
import type { HostFiles } from "./probe.ts";
import { processStat } from "./proc_pid.ts";

export type LookupFiles = Pick<HostFiles, "list" | "readOptional">;

export interface LookupOptions {
  /** Monotonic, in ms. */
  readonly clock: () => number;
  readonly maxPids?: number;
  readonly freshMs?: number;
}

/** A container and its processes at one time. */
export interface ContainerProcesses {
  readonly container: Container;
  readonly pids: readonly number[];
  /** Of its oldest process, since boot, in USER_HZ ticks. */
  readonly start: number;
}

interface Known {
  container: Container | undefined;
  readonly start: number;
  readonly seen: number;
  /** When the start time was last found unchanged, and when the cgroup was last read. */
  checked: number;
  read: number;
  scan: number;
}

const YOUNG_MS = 15_000;
const REREAD_MS = 60_000;
/** Those that were read together are not all read again together. */
const SPREAD = 16;
const SPREAD_MS = 1000;
/** What ended is told for so long, and of no more processes than so many. */
const REMEMBERED_MS = 60_000;
const MAX_ENDED = 1024;
const PID_REGEXP = /^[1-9]\d{0,9}$/;

export class ContainerLookup {
  /** Processes that did not fit into the memory. */
  notKept = 0;

  readonly #files: LookupFiles;
  readonly #clock: () => number;
  readonly #maxPids: number;
  readonly #freshMs: number;
  readonly #known = new Map<number, Known>();
  /** Of processes in containers that are gone, in the order of their ends. */
  readonly #ended = new Map<number, { readonly id: string; readonly at: number }>();
  #scan = 0;

  constructor(files: LookupFiles, { clock, maxPids = 32_768, freshMs = 4000 }: LookupOptions) {
    this.#files = files;
    this.#clock = clock;
    this.#maxPids = maxPids;
    this.#freshMs = freshMs;
  }

  /** Processes now remembered. */
  get size(): number {
    return this.#known.size;
  }

  /**
   * The id as it is shown; empty for a process in no container, undefined when there is no such process. One that has
   * ended lately is known for a while: its rows are read after its end. `moved`: its cgroup is another since it was
   * read, or may be.
   */
  idOf(pid: number, moved = false): string | undefined {
    const known = moved
      ? this.#read(pid, this.#clock(), this.#known.get(pid))
      : this.#check(pid, this.#freshMs);
    if (known !== undefined) return known.container?.shortId ?? "";
    const ended = this.#ended.get(pid);
    return ended === undefined || this.#clock() - ended.at > REMEMBERED_MS ? undefined : ended.id;
  }

  of(pid: number): Container | undefined {
    return this.#check(pid, this.#freshMs)?.container;
  }

  /**
   * All containers with their processes. A known pid costs nothing as long as its time to be checked has not come, so
   * that a pid that was given to another process between two scans may be believed for some 75 s.
   */
  scan(): ContainerProcesses[] {
    const groups = new Map<string, { container: Container; pids: number[]; start: number }>();
    this.#scan++;
    for (const name of this.#files.list("proc")) {
      if (!PID_REGEXP.test(name)) continue;
      const pid = Number(name);
      const known = this.#check(pid, Infinity);
      if (known === undefined) continue;
      known.scan = this.#scan;
      const { container, start } = known;
      if (container === undefined) continue;
      const group = groups.get(container.id);
      if (group === undefined) {
        groups.set(container.id, { container, pids: [pid], start });
      } else {
        group.pids.push(pid);
        group.start = Math.min(group.start, start);
      }
    }
    for (const [pid, known] of this.#known) if (known.scan !== this.#scan) this.#bury(pid, known);
    return [...groups.values()];
  }

  /** What is known of the process and no older than `maxAge`; undefined when it is gone. */
  #check(pid: number, maxAge: number): Known | undefined {
    const now = this.#clock();
    const known = this.#known.get(pid);
    if (known === undefined) return this.#read(pid, now, undefined);
    const young = known.read - known.seen < YOUNG_MS;
    const period = young ? this.#freshMs : REREAD_MS + pid % SPREAD * SPREAD_MS;
    if (now - known.read >= period) return this.#read(pid, now, known);
    if (now - known.checked < maxAge) return known;
    if (this.#start(pid) !== known.start) return this.#read(pid, now, known);
    known.checked = now;
    return known;
  }

  #read(pid: number, now: number, before: Known | undefined): Known | undefined {
    const start = this.#start(pid);
    const cgroups = this.#files.readOptional(`proc/${pid}/cgroup`);
    if (cgroups === undefined || Number.isNaN(start)) {
      if (before !== undefined) this.#bury(pid, before);
      return undefined;
    }
    const container = containerOfBytes(cgroups);
    if (before !== undefined && before.start === start) {
      before.container = container;
      before.checked = before.read = now;
      return before;
    }
    // What the first scan meets has most likely been running for long.
    const seen = this.#scan === 1 ? -Infinity : now;
    const known = { container, start, seen, checked: now, read: now, scan: this.#scan };
    if (before !== undefined || this.#makeRoom(now)) this.#known.set(pid, known);
    return known;
  }

  #bury(pid: number, { container }: Known): void {
    this.#known.delete(pid);
    if (container === undefined) return;
    this.#ended.delete(pid);
    this.#ended.set(pid, { id: container.shortId, at: this.#clock() });
    if (this.#ended.size <= MAX_ENDED) return;
    for (const oldest of this.#ended.keys()) return void this.#ended.delete(oldest);
  }

  #start(pid: number): number {
    const stat = this.#files.readOptional(`proc/${pid}/stat`);
    return stat === undefined ? NaN : processStat(stat).start;
  }

  /** Without a scan nobody tells which processes are gone: those that were not asked for in a while make room. */
  #makeRoom(now: number): boolean {
    if (this.#known.size < this.#maxPids) return true;
    for (const [pid, { checked }] of this.#known) {
      if (now - checked > REREAD_MS) this.#known.delete(pid);
    }
    if (this.#known.size < this.#maxPids) return true;
    this.notKept++;
    return false;
  }
}
