// SPDX-License-Identifier: MulanPSL-2.0
/**
 * All processes of the host as one reading found them, and who can read them: numbers in one array, names in another,
 * nothing allocated while it does not grow. Memory: 248 bytes a process.
 */

/** Called as the lines of /proc/PID/io. */
export const IO_FIELDS = [
  "rchar",
  "wchar",
  "syscr",
  "syscw",
  "read_bytes",
  "write_bytes",
  "cancelled_write_bytes",
] as const;

/** What is known of a process, in the units that a reader of /proc gets, but sizes in bytes; NaN: not known. */
export const TASK_FIELDS = [
  "tgid",
  "ppid",
  "pgid",
  "flags",
  "priority",
  "nice",
  "threads",
  "cpu",
  /** Clock ticks after boot; tells a process from a later one with the same id. */
  "start",
  /** Where the stack starts, which is another place after each exec; 0 where we may not know. */
  "image",
  /** Which set of cgroups it is in, another after a move; only told through BPF. */
  "cgroups",
  "utime",
  "stime",
  "cutime",
  "cstime",
  "minor_faults",
  "major_faults",
  "size_bytes",
  "resident_bytes",
  ...IO_FIELDS,
  "fds",
  "fd_limit",
] as const;

export type TaskField = typeof TASK_FIELDS[number];

/** Column of each field. */
export const TASK = Object.fromEntries(
  TASK_FIELDS.map((field, column) => [field, column]),
) as Readonly<Record<TaskField, number>>;

/** Bytes of a name, the closing NUL included; as in the kernel. */
export const COMM_BYTES = 16;
/** USER_HZ, which is 100 on every processor that the agent runs on. */
export const TICKS_PER_SECOND = 100;
/** The kernel's own flags of a task. */
export const PF_WQ_WORKER = 0x20;
export const PF_KTHREAD = 0x200000;

export const COMM_WORDS = COMM_BYTES / 4;

const WIDTH = TASK_FIELDS.length;
const FIRST_TASKS = 256;
const MAX_TASKS = 65_536;

/** Reads the host's processes; there is one way through BPF and one through /proc, and both give the same. */
export interface TaskSource {
  /** `iter/task` or `/proc`. */
  readonly name: string;
  /** Fills the batch with all processes. Throws KernelError. */
  read(batch: TaskBatch): void;
  /** Reads what `read` left unknown because it costs: I/O and descriptors. False: the process is gone. */
  complete(batch: TaskBatch, index: number): boolean;
}

export class TaskBatch {
  /** Processes now held: 0 to `count` - 1. */
  count = 0;
  /** Processes that did not fit, ever. */
  dropped = 0;
  numbers = new Float64Array(FIRST_TASKS * WIDTH);
  /** Names, closed by NUL. */
  comms = new Uint8Array(FIRST_TASKS * COMM_BYTES);
  #commWords = new Uint32Array(this.comms.buffer);
  readonly #max: number;

  constructor(max = MAX_TASKS) {
    this.#max = max;
  }

  clear(): void {
    this.count = 0;
  }

  /** Index of a new process of which nothing is known; -1, and counted, when there is no room. */
  add(): number {
    const index = this.addUnset();
    if (index < 0) return index;
    this.numbers.fill(NaN, index * WIDTH, this.count * WIDTH);
    this.comms.fill(0, index * COMM_BYTES, this.count * COMM_BYTES);
    return index;
  }

  /** Takes the first `count` of these processes' numbers out. */
  gather(column: number, indexes: Int32Array, count: number, numbers: Float64Array): void {
    const all = this.numbers;
    for (let i = 0; i < count; i++) numbers[i] = all[indexes[i]! * WIDTH + column]!;
  }

  /** As `add`, but of what an earlier process left there: for whoever sets each number, and the name. */
  addUnset(): number {
    if (this.count === this.#max) {
      this.dropped++;
      return -1;
    }
    const index = this.count++;
    if (this.count * WIDTH > this.numbers.length) this.#grow();
    return index;
  }

  /** Takes back the last process that was added. */
  dropLast(): void {
    this.count--;
  }

  /** Where its numbers begin in `numbers`. */
  base(index: number): number {
    return index * WIDTH;
  }

  get(index: number, column: number): number {
    return this.numbers[index * WIDTH + column]!;
  }

  set(index: number, column: number, value: number): void {
    this.numbers[index * WIDTH + column] = value;
  }

  /** Name as text. */
  comm(index: number): string {
    const start = index * COMM_BYTES;
    const end = this.comms.indexOf(0, start);
    return decoder.decode(this.comms.subarray(start, Math.min(end, start + COMM_BYTES)));
  }

  /** Takes over a name, which starts at a word. */
  setComm(index: number, words: Uint32Array, at: number): void {
    const start = index * COMM_WORDS;
    for (let i = 0; i < COMM_WORDS; i++) this.#commWords[start + i] = words[at + i]!;
  }

  /** Name as four words, to compare it quickly. */
  commWord(index: number, word: number): number {
    return this.#commWords[index * COMM_WORDS + word]!;
  }

  #grow(): void {
    const tasks = this.numbers.length / WIDTH * 2;
    const numbers = new Float64Array(tasks * WIDTH);
    numbers.set(this.numbers);
    this.numbers = numbers;
    const comms = new Uint8Array(tasks * COMM_BYTES);
    comms.set(this.comms);
    this.comms = comms;
    this.#commWords = new Uint32Array(comms.buffer);
  }
}

const decoder = new TextDecoder();
