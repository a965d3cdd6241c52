// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Which process has an id: name, command line and container for the labels of every probe that knows a pid. Whoever
 * reads all processes hands them over; other ids are looked up in /proc and looked at again after a while, as an id
 * may have gone to another process. Memory: about 250 bytes a process, and up to 1 KB where its command line was asked.
 */
import { parseStat } from "./proc_pid.ts";
import { COMM_WORDS, TASK, TaskBatch } from "./task_batch.ts";

/** The part of HostFiles that is needed here. */
export interface ProcessFiles {
  readOptional(path: string, maxBytes?: number): Uint8Array | undefined;
}

/** One program image of one process: after an exec or a change of name it is another object. */
export interface Process {
  readonly pid: number;
  /** Clock ticks after boot. */
  readonly start: number;
  readonly comm: string;
  /** Arguments with blanks between, cut short; empty for kernel threads and where it may not be read. */
  readonly cmdline: string;
  /** Empty outside of containers. */
  readonly containerId: string;
  /** Whether the whole command line, with blanks between arguments, has this text. */
  cmdlineIncludes(text: string): boolean;
}

/**
 * Finds the container of a process by its id; empty for none, undefined when there is no such process. `moved`: what was
 * found before may be another's.
 */
export type ContainerFinder = (pid: number, moved: boolean) => string | undefined;

export interface ProcessTableOptions {
  /** Monotonic, in ms. */
  readonly clock: () => number;
  readonly maxProcesses?: number;
  readonly containerOf?: ContainerFinder;
}

const MAX_PROCESSES = 32_768;
/** An id that nobody handed over is believed this long. */
const BELIEVED_MS = 5000;
/** A runtime moves a process into its container when it is young; later it hardly happens. */
const YOUNG_MS = 15_000;
const SETTLED_MS = 60_000;
/** Where the kernel tells that it was moved, in case that it was moved forth and back; not all at the same time. */
const UNMOVED_MS = 600_000;
const SPREAD = 64;
const SPREAD_MS = 5000;
/** What ended is remembered this long, for those who still report on it. */
const REMEMBERED_MS = 60_000;
/** Of the command line as a label. Java's can have 100 KB. */
const SHOWN_BYTES = 512;
/** Of the command line that a filter looks at. */
const SEARCHED_BYTES = 256 * 1024;

const decoder = new TextDecoder();

export class ProcessTable {
  /** Processes for which there was no room. */
  overflowed = 0;
  readonly #clock: () => number;
  readonly #max: number;
  readonly #known = new Map<number, KnownProcess>();
  readonly #single = new TaskBatch(1);
  readonly #sources: Sources;

  constructor(
    files: ProcessFiles,
    { clock, maxProcesses = MAX_PROCESSES, containerOf = () => "" }: ProcessTableOptions,
  ) {
    this.#clock = clock;
    this.#max = maxProcesses;
    this.#sources = { files, containerOf };
  }

  get size(): number {
    return this.#known.size;
  }

  /** The process that has this id, or had it last; undefined when it was never seen. */
  find(pid: number): Process | undefined {
    const known = this.#known.get(pid);
    if (known !== undefined && this.#clock() - known.checked < BELIEVED_MS) return known;
    const stat = this.#sources.files.readOptional(`proc/${pid}/stat`);
    this.#single.clear();
    const index = this.#single.add();
    // Sizes are of no interest here, so the size of a page is not either.
    if (stat === undefined || !parseStat(stat, this.#single, index, 1)) return known;
    this.#single.set(index, TASK.tgid, pid);
    return this.note(this.#single, index, this.#clock());
  }

  /** The time that `note` wants: asked once a reading, as it costs 1 us. */
  now(): number {
    return this.#clock();
  }

  /** Takes over what a reading found: the same object as long as the process is the same and runs the same. */
  note(batch: TaskBatch, index: number, now: number): Process {
    const pid = batch.get(index, TASK.tgid);
    let known = this.#known.get(pid);
    if (known === undefined || !known.is(batch, index)) {
      known = new KnownProcess(batch, index, now, this.#sources);
      if (this.#known.has(pid) || this.#hasRoom()) this.#known.set(pid, known);
    }
    known.seen(now, batch.get(index, TASK.cgroups));
    return known;
  }

  /** Forgets what ended a while ago; for whoever has just handed over all that live. */
  sweep(): void {
    const now = this.#clock();
    for (const [pid, { checked }] of this.#known) {
      if (now - checked > REMEMBERED_MS) this.#known.delete(pid);
    }
  }

  #hasRoom(): boolean {
    if (this.#known.size < this.#max) return true;
    this.sweep();
    if (this.#known.size < this.#max) return true;
    this.overflowed++;
    return false;
  }
}

interface Sources {
  readonly files: ProcessFiles;
  readonly containerOf: ContainerFinder;
}

class KnownProcess implements Process {
  readonly pid: number;
  readonly start: number;
  readonly comm: string;
  /** When it was last seen to be this. */
  checked: number;
  readonly #image: number;
  readonly #words: number[] = [];
  readonly #sources: Sources;
  readonly #since: number;
  #cmdline: string | undefined;
  #containerId = "";
  #asked = -Infinity;
  /** Which cgroups it is in, and was in when its container was asked for; NaN: nobody told. */
  #cgroups = NaN;
  #askedIn = NaN;

  constructor(batch: TaskBatch, index: number, now: number, sources: Sources) {
    this.pid = batch.get(index, TASK.tgid);
    this.start = batch.get(index, TASK.start);
    this.comm = batch.comm(index);
    this.#image = batch.get(index, TASK.image);
    for (let i = 0; i < COMM_WORDS; i++) this.#words.push(batch.commWord(index, i));
    this.#sources = sources;
    this.#since = this.checked = now;
  }

  get cmdline(): string {
    return this.#cmdline ??= this.#read(SHOWN_BYTES);
  }

  get containerId(): string {
    const told = !Number.isNaN(this.#cgroups);
    const moved = told && this.#cgroups !== this.#askedIn;
    if (moved || this.checked - this.#asked > this.#believed(told)) {
      this.#asked = this.checked;
      this.#askedIn = this.#cgroups;
      this.#containerId = this.#sources.containerOf(this.pid, moved) ?? this.#containerId;
    }
    return this.#containerId;
  }

  seen(now: number, cgroups: number): void {
    this.checked = now;
    this.#cgroups = cgroups;
  }

  /** How long its container is believed. */
  #believed(told: boolean): number {
    if (told) return UNMOVED_MS + this.pid % SPREAD * SPREAD_MS;
    return this.#asked - this.#since >= YOUNG_MS ? SETTLED_MS : 0;
  }

  is(batch: TaskBatch, index: number): boolean {
    if (
      batch.get(index, TASK.start) !== this.start || batch.get(index, TASK.image) !== this.#image
    ) {
      return false;
    }
    for (let i = 0; i < COMM_WORDS; i++) {
      if (batch.commWord(index, i) !== this.#words[i]) return false;
    }
    return true;
  }

  cmdlineIncludes(text: string): boolean {
    return this.#read(SEARCHED_BYTES).includes(text);
  }

  #read(maxBytes: number): string {
    const bytes = this.#sources.files.readOptional(`proc/${this.pid}/cmdline`, maxBytes);
    if (bytes === undefined) return "";
    const text = decoder.decode(bytes).replaceAll("\0", " ");
    // Behind the cut a character may lack its rest.
    return (bytes.length < maxBytes ? text : text.replace(/\uFFFD+$/, "")).trimEnd();
  }
}
