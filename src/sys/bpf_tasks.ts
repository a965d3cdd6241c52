// SPDX-License-Identifier: MulanPSL-2.0
/** All processes from the kernel's task structures, by bpf/proc.bpf.c: the numbers of /proc without its files. */
import { Unsupported } from "../core/errors.ts";
import type { HookVerdict, ProgramCost } from "../core/probe.ts";
import {
  TASK,
  type TaskBatch,
  type TaskField,
  type TaskSource,
  TICKS_PER_SECOND,
} from "../core/task_batch.ts";
import { proc } from "../gen/layouts.ts";
import { CpuSplit } from "./cpu_split.ts";
import type { IterReader } from "./iter_reader.ts";
import type { Libbpf } from "./libbpf.ts";
import { BpfObject } from "./object.ts";
import type { ProcTasks } from "./proc_tasks.ts";

export interface BpfTasksHost {
  readonly libbpf: Libbpf;
  readonly image: Uint8Array<ArrayBuffer>;
  /** Reads what the kernel's records lack. */
  readonly files: ProcTasks;
  readonly pageBytes: number;
  /** Where the host's file tree is mounted; empty: this process's own. */
  readonly root: string;
  readonly btfPath?: string | undefined;
}

const FIELDS = proc.records.proc_record.fields;
const word = (field: keyof typeof FIELDS) => FIELDS[field].offset / 4;

/** Numbers that are taken over as they are. */
const PLAIN: readonly (readonly [TaskField, keyof typeof FIELDS])[] = [
  ["tgid", "tgid"],
  ["ppid", "ppid"],
  ["pgid", "pgid"],
  ["flags", "flags"],
  ["threads", "threads"],
  ["cpu", "cpu"],
  ["fds", "fds"],
];
const PLAIN_COLUMNS = PLAIN.map(([column]) => TASK[column]);
const PLAIN_WORDS = PLAIN.map(([, field]) => word(field));

/** The same of 64 bits. */
const LONG: readonly (readonly [TaskField, keyof typeof FIELDS])[] = [
  ["image", "start_stack"],
  ["minor_faults", "minor_faults"],
  ["major_faults", "major_faults"],
  ["rchar", "io.rchar"],
  ["wchar", "io.wchar"],
  ["syscr", "io.syscr"],
  ["syscw", "io.syscw"],
  ["read_bytes", "io.read_bytes"],
  ["write_bytes", "io.write_bytes"],
  ["cancelled_write_bytes", "io.cancelled_write_bytes"],
];
const LONG_COLUMNS = LONG.map(([column]) => TASK[column]);
const LONG_WORDS = LONG.map(([, field]) => word(field));

/** Where the other numbers, and the name, stand. */
const AT = {
  tgid: word("tgid"),
  comm: word("comm"),
  cgroups: word("cgroups"),
  priority: word("priority"),
  nice: word("nice"),
  start: word("start_ns"),
  utime: word("utime_ns"),
  stime: word("stime_ns"),
  runtime: word("runtime_ns"),
  shownUtime: word("shown_utime_ns"),
  shownStime: word("shown_stime_ns"),
  childrenUtime: word("children_utime_ns"),
  childrenStime: word("children_stime_ns"),
  fdLimit: word("fd_limit"),
  size: word("size_pages"),
  resident: word("resident_pages"),
} as const;
const LACKS_THREADS = FIELDS.lacks_threads.offset;
const LACKS_FDS = FIELDS.lacks_fds.offset;
const LACKS_IO = FIELDS.lacks_io.offset;

const NS_PER_TICK = 1e9 / TICKS_PER_SECOND;
const RLIM_INFINITY = 2 ** 64;
/** PROC_PID_INIT_INO: only there are the kernel's own ids those of /proc. */
const FIRST_PID_NAMESPACE = "pid:[4026531836]";

export class BpfTasks implements TaskSource, Disposable {
  readonly name = "iter/task";
  readonly #object: BpfObject;
  readonly #iterator: IterReader;
  readonly #files: ProcTasks;
  readonly #pageBytes: number;
  readonly #cpu = new CpuSplit();
  /** Processes of the last reading whose record was not whole. */
  readonly #partial: number[] = [];

  private constructor(object: BpfObject, { files, pageBytes }: BpfTasksHost) {
    this.#object = object;
    this.#iterator = object.iterator("proc_tasks", "proc_record");
    this.#files = files;
    this.#pageBytes = pageBytes;
  }

  /** Throws Unsupported or KernelError; then nothing is left in the kernel. */
  static async load(host: BpfTasksHost): Promise<BpfTasks> {
    demandPidNamespace(host.root);
    const object = await BpfObject.load(host.libbpf, {
      name: "proc",
      bytes: host.image,
      layout: proc,
      btfPath: host.btfPath,
    });
    try {
      object.demand();
      return new BpfTasks(object, host);
    } catch (error) {
      object[Symbol.dispose]();
      throw error;
    }
  }

  get hooks(): readonly HookVerdict[] {
    return this.#object.hooks;
  }

  cost(): readonly ProgramCost[] {
    return this.#object.cost();
  }

  read(batch: TaskBatch): void {
    batch.clear();
    this.#partial.length = 0;
    this.#iterator.read((bytes, offset) => this.#take(bytes, offset, batch));
    this.#cpu.endRound();
    // From the end, so that one that is gone meanwhile does not move the others.
    for (let i = this.#partial.length - 1; i >= 0; i--) {
      const index = this.#partial[i]!;
      this.#files.refill(batch, index, batch.get(index, TASK.tgid));
    }
  }

  complete(batch: TaskBatch, index: number): boolean {
    const known = !Number.isNaN(batch.get(index, TASK.fds)) &&
      !Number.isNaN(batch.get(index, TASK.rchar));
    return known || this.#files.complete(batch, index);
  }

  [Symbol.dispose](): void {
    this.#object[Symbol.dispose]();
  }

  /** Each number is set: see TaskBatch.addUnset. */
  #take(bytes: Uint8Array, offset: number, batch: TaskBatch): void {
    const index = batch.addUnset();
    if (index < 0) return;
    const { words } = this.#iterator;
    const { numbers } = batch;
    const at = offset / 4;
    const base = batch.base(index);
    for (let i = 0; i < PLAIN_COLUMNS.length; i++) {
      numbers[base + PLAIN_COLUMNS[i]!] = words[at + PLAIN_WORDS[i]!]!;
    }
    for (let i = 0; i < LONG_COLUMNS.length; i++) {
      numbers[base + LONG_COLUMNS[i]!] = long(words, at + LONG_WORDS[i]!);
    }
    numbers[base + TASK.priority] = words[at + AT.priority]! | 0;
    numbers[base + TASK.nice] = words[at + AT.nice]! | 0;
    this.#takeTimes(words, at, numbers, base);
    this.#takeSizes(words, at, numbers, base);
    batch.setComm(index, words, at + AT.comm);
    this.#note(bytes, offset, batch, index);
  }

  #takeTimes(words: Uint32Array, at: number, numbers: Float64Array, base: number): void {
    const start = ticks(long(words, at + AT.start));
    numbers[base + TASK.start] = start;
    this.#cpu.split(
      words[at + AT.tgid]!,
      start,
      long(words, at + AT.utime),
      long(words, at + AT.stime),
      long(words, at + AT.runtime),
      long(words, at + AT.shownUtime),
      long(words, at + AT.shownStime),
    );
    numbers[base + TASK.utime] = ticks(this.#cpu.utime);
    numbers[base + TASK.stime] = ticks(this.#cpu.stime);
    numbers[base + TASK.cutime] = ticks(long(words, at + AT.childrenUtime));
    numbers[base + TASK.cstime] = ticks(long(words, at + AT.childrenStime));
  }

  #takeSizes(words: Uint32Array, at: number, numbers: Float64Array, base: number): void {
    const fdLimit = long(words, at + AT.fdLimit);
    numbers[base + TASK.cgroups] = words[at + AT.cgroups]! +
      (words[at + AT.cgroups + 1]! & 0xffff) * 4294967296;
    numbers[base + TASK.size_bytes] = long(words, at + AT.size) * this.#pageBytes;
    numbers[base + TASK.resident_bytes] = long(words, at + AT.resident) * this.#pageBytes;
    numbers[base + TASK.fd_limit] = fdLimit >= RLIM_INFINITY ? Infinity : fdLimit;
  }

  /** What the record lacks is left to /proc. */
  #note(bytes: Uint8Array, offset: number, batch: TaskBatch, index: number): void {
    const lacksThreads = bytes[offset + LACKS_THREADS] !== 0;
    const lacksIo = bytes[offset + LACKS_IO] !== 0;
    if (lacksThreads) this.#partial.push(index);
    if (lacksThreads || lacksIo) batch.set(index, TASK.rchar, NaN);
    if (bytes[offset + LACKS_FDS] !== 0) batch.set(index, TASK.fds, NaN);
  }
}

function long(words: Uint32Array, at: number): number {
  return words[at]! + words[at + 1]! * 4294967296;
}

function ticks(ns: number): number {
  return Math.floor(ns / NS_PER_TICK);
}

/** `/proc/self` gives the reader's id in the namespace of that /proc. */
function demandPidNamespace(root: string): void {
  const namespace = linkOf("/proc/self/ns/pid");
  if (namespace === FIRST_PID_NAMESPACE && linkOf(`${root}/proc/self`) === String(Deno.pid)) return;
  throw new Unsupported(
    `Process ids of "${root}/proc" and the kernel's own differ`,
    "run in the host's pid namespace (docker run --pid=host)",
  );
}

function linkOf(path: string): string | undefined {
  try {
    return Deno.readLinkSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied) {
      return undefined;
    }
    throw error;
  }
}
