// SPDX-License-Identifier: MulanPSL-2.0
/** Which processes are reported at a reading, and what must be remembered of them from one reading to the next. */
import type { HostFiles, ProbeHost } from "../core/probe.ts";
import type { Process } from "../core/process_table.ts";
import { parseSmaps, SMAPS_LINES } from "../core/proc_pid.ts";
import { TASK, TaskBatch, TICKS_PER_SECOND } from "../core/task_batch.ts";
import { chooseTop } from "../core/top_tasks.ts";

export interface WatchOptions {
  /** How many of the largest users of CPU, and of memory, are reported without a filter. */
  readonly top: number;
  /** Time between two readings of smaps_rollup; 0: none. */
  readonly smapsSeconds: number;
}

/** A process to report. */
export interface Watched {
  /** Where its numbers stand in the batch. */
  readonly index: number;
  /** In the order of the table. */
  readonly labels: readonly string[];
  /** Percent of one CPU since the reading before; NaN when there was none. */
  readonly userUtil: number;
  readonly systemUtil: number;
  /** As SMAPS_LINES; undefined until it was read. */
  readonly smaps: Float64Array | undefined;
  /** Of its row in the table, for whoever writes it; below 0 before. */
  place: number;
}

/** CPU time counts half after this time, so that one who wakes up now and then does not come and go. */
const HALF_LIFE_SECONDS = 30;
/** Nor does one of several like it: it stays until another has so many times as much. */
const STAYS = 1.5;

export class ProcWatch {
  readonly batch = new TaskBatch();
  readonly #files: HostFiles;
  readonly #host: ProbeHost;
  readonly #options: WatchOptions;
  readonly #tracked = new Map<number, Tracked>();
  /** Of the present reading, by index. */
  readonly #present: Tracked[] = [];
  #cpuRanks = new Float64Array(0);
  #memoryRanks = new Float64Array(0);
  #round = 0;
  /** Seconds since the first reading. */
  #clock = 0;
  #readsSmaps = false;
  #smapsFailure: unknown;

  constructor(files: HostFiles, host: ProbeHost, options: WatchOptions) {
    this.#files = files;
    this.#host = host;
    this.#options = options;
  }

  /** Processes that did not fit into a reading, or into the memory of names that all probes share. */
  get losses(): Readonly<Record<string, number>> {
    return {
      too_many_processes: this.batch.dropped,
      processes_not_kept: this.#host.processes.overflowed,
    };
  }

  /** Reads all processes and gives those to report, with all their numbers. */
  read(elapsed: number): readonly Watched[] {
    const { batch } = this;
    const { tasks, processes } = this.#host;
    this.#clock += elapsed || 0;
    this.#round++;
    tasks.read(batch);
    this.#present.length = 0;
    const now = processes.now();
    for (let index = 0; index < batch.count; index++) this.#track(index, now, elapsed);
    for (const [pid, { round }] of this.#tracked) {
      if (round !== this.#round) this.#tracked.delete(pid);
    }
    processes.sweep();
    const chosen = this.#choose().filter(({ index }) => tasks.complete(batch, index));
    this.#readSmaps(chosen);
    for (const tracked of chosen) tracked.describe(batch);
    return chosen;
  }

  #track(index: number, now: number, elapsed: number): void {
    const process = this.#host.processes.note(this.batch, index, now);
    let tracked = this.#tracked.get(process.pid);
    if (tracked === undefined || tracked.process.start !== process.start) {
      tracked = new Tracked(process, this.#round > 1);
      this.#tracked.set(process.pid, tracked);
    }
    tracked.update(this.batch, index, process, elapsed);
    tracked.round = this.#round;
    this.#present[index] = tracked;
  }

  #choose(): Tracked[] {
    const { snooper } = this.#host;
    if (!snooper.isOpen) return this.#present.filter(({ process }) => snooper.wants(process));
    const largest = this.#largest();
    this.#present.forEach((tracked, index) => tracked.isLargest = largest.has(index));
    return this.#present.filter(({ isLargest }) => isLargest);
  }

  #largest(): Set<number> {
    const { batch } = this;
    const { top } = this.#options;
    if (this.#cpuRanks.length < batch.count) {
      this.#cpuRanks = new Float64Array(batch.count * 2);
      this.#memoryRanks = new Float64Array(batch.count * 2);
    }
    for (let index = 0; index < batch.count; index++) {
      const { cpuRank, isLargest } = this.#present[index]!;
      const weight = isLargest ? STAYS : 1;
      this.#cpuRanks[index] = cpuRank * weight;
      this.#memoryRanks[index] = batch.get(index, TASK.resident_bytes) * weight;
    }
    const largest = new Set<number>();
    chooseTop(this.#cpuRanks, batch.count, top, largest);
    chooseTop(this.#memoryRanks, batch.count, top, largest);
    return largest;
  }

  /**
   * Begins to read those that are due, unless it is still at it. The kernel walks the page tables, 12 ms for each GB,
   * so nobody waits for it: what it tells is reported at the next reading.
   */
  #readSmaps(chosen: readonly Tracked[]): void {
    if (this.#smapsFailure !== undefined) throw this.#smapsFailure;
    const { smapsSeconds } = this.#options;
    if (smapsSeconds === 0 || this.#readsSmaps) return;
    const due = chosen.filter(({ index, smapsAt }) =>
      this.#clock - smapsAt >= smapsSeconds && this.batch.get(index, TASK.size_bytes) > 0
    );
    this.#readsSmaps = due.length > 0;
    this.#readEach(due, this.#clock).then(
      () => this.#readsSmaps = false,
      (error) => this.#smapsFailure = error,
    );
  }

  async #readEach(due: readonly Tracked[], clock: number): Promise<void> {
    for (const tracked of due) {
      const { process } = tracked;
      const bytes = await this.#files.readLater(`proc/${process.pid}/smaps_rollup`);
      // Meanwhile it may run another program.
      if (tracked.process !== process) continue;
      tracked.smapsAt = clock;
      if (bytes === undefined) tracked.smaps = undefined;
      else parseSmaps(bytes, tracked.smaps ??= new Float64Array(SMAPS_LINES.length));
    }
  }
}

class Tracked implements Watched {
  index = -1;
  place = -1;
  round = 0;
  labels: readonly string[] = [];
  userUtil = NaN;
  systemUtil = NaN;
  /** CPU time of the last minute or so; until a first difference is known, all that it ever used. */
  cpuRank = 0;
  /** At the last reading. */
  isLargest = false;
  smaps: Float64Array | undefined;
  smapsAt = -Infinity;
  /** Clock ticks at the reading before; a process that came since then had none. */
  #utime: number;
  #stime: number;
  #ranked = false;
  #pgid = NaN;
  #ppid = NaN;
  #containerId = "";

  constructor(public process: Process, isNew: boolean) {
    this.#utime = this.#stime = isNew ? 0 : NaN;
  }

  update(batch: TaskBatch, index: number, process: Process, elapsed: number): void {
    this.index = index;
    const utime = batch.get(index, TASK.utime);
    const stime = batch.get(index, TASK.stime);
    const [user, system] = [utime - this.#utime, stime - this.#stime];
    const first = Number.isNaN(user);
    const before = this.#ranked ? this.cpuRank * 0.5 ** ((elapsed || 0) / HALF_LIFE_SECONDS) : 0;
    this.cpuRank = first ? utime + stime : before + Math.max(0, user + system);
    this.#ranked = !first;
    this.userUtil = share(user, elapsed);
    this.systemUtil = share(system, elapsed);
    this.#utime = utime;
    this.#stime = stime;
    if (process === this.process) return;
    this.process = process;
    this.#pgid = NaN;
    this.smaps = undefined;
    this.smapsAt = -Infinity;
  }

  /** Makes its labels anew if they changed. */
  describe(batch: TaskBatch): void {
    const pgid = batch.get(this.index, TASK.pgid);
    const ppid = batch.get(this.index, TASK.ppid);
    const { pid, start, comm, cmdline, containerId } = this.process;
    if (pgid === this.#pgid && ppid === this.#ppid && containerId === this.#containerId) return;
    this.#pgid = pgid;
    this.#ppid = ppid;
    this.#containerId = containerId;
    this.labels = [pid, pgid, ppid, comm, cmdline, containerId, start].map(String);
  }
}

/** Percent of one CPU; NaN for what went back, as a counter of 32 bits does when it is full. */
function share(ticks: number, elapsed: number): number {
  return ticks < 0 ? NaN : ticks / TICKS_PER_SECOND / elapsed * 100;
}
